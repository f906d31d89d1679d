package test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/verify"
)

// mode is one way to deny existence.
type mode struct {
	name   string // a label
	denial string // what the Corefile says
	optout bool
}

var modes = []mode{
	{"nsec", "nsec", false},
	{"nsec3", "nsec3", false},
	{"optout", "nsec3 optout", true},
	{"salted", "nsec3 salt_length 8 iterations 10", false},
	{"saltedoptout", "nsec3 optout salt_length 4 iterations 1", true},
}

// block is a server block for one signed zone; each property is a line inside
// autosign. No parent is asked: there is none.
func block(zone, file string, properties ...string) string {
	return fmt.Sprintf(`%s:PORT {
    bind 127.0.0.1
    file %s {
        reload 200ms
    }
    autosign {
        parent none
        %s
    }
    transfer {
        to *
    }
    errors
}
`, strings.TrimSuffix(zone, ".")+dot(zone), file, strings.Join(properties, "\n        "))
}

// dot keeps the root zone's name from being cut away.
func dot(zone string) string {
	if zone == "." {
		return "."
	}
	return ""
}

func open(t *testing.T, file string) *os.File {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestAnswers_EveryKindInEveryDenialMode asks for each kind of answer, has the
// message judged by plugin/verify, and asks the same through BIND's and NLnet
// Labs' validators.
func TestAnswers_EveryKindInEveryDenialMode(t *testing.T) {
	for _, m := range modes[:4] {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			const zone = "example.org."
			dir := t.TempDir()
			write(t, dir, map[string]string{"db": corners(zone, 1)})
			s := start(t, dir, block(zone, "db", "denial "+m.denial))
			s.signed(t, zone)
			d, u := newDelv(t, s.addr, zone), newUnbound(t, false, upstream{zone, s.addr, true})
			tr := trust(t, s.addr, zone)
			for _, p := range probes {
				checkProbe(t, s, m, p, tr, d, u, zone)
			}
			checkSweep(t, s, m, tr, u, zone)
		})
	}
}

func checkProbe(t *testing.T, s *server, m mode, p probe, tr verify.Trust, d *delv, u *unbound, zone string) {
	t.Helper()
	if p.typ == "NSEC" && m.name != "nsec" {
		p.kind = verify.NoData
	}
	name, typ := absolute(p.name, zone), typeNumber(t, p.typ)
	r := ask(t, s.addr, name, typ, true)
	v, err := verify.Answer(r, tr)
	switch {
	case err != nil:
		t.Errorf("%s: %s %s: %v\n%v", p.what, name, p.typ, err, r)
	case v.Kind != p.kind:
		t.Errorf("%s: %s %s is of kind %v, not %v\n%v", p.what, name, p.typ, v.Kind, p.kind, r)
	}
	if p.want == "" {
		return
	}
	if got, out := d.ask(t, name, p.typ); !agrees(got, p.want, m.optout) {
		t.Errorf("%s: %s %s: delv says %s, want %s\n%s", p.what, name, p.typ, got, p.want, out)
	}
	if got, msg := u.ask(t, name, typ); !agrees(got, p.want, m.optout) {
		t.Errorf("%s: %s %s: unbound says %s, want %s\n%v", p.what, name, p.typ, got, p.want, msg)
	}
}

// agrees compares verdicts. In an opt-out span nothing is proven to be absent
// (RFC 5155 section 9.2), so negative and wildcard answers are insecure there.
func agrees(got, want verdict, optout bool) bool {
	return got == want || optout && got == insecure && want == secure
}

// checkSweep asks for hundreds of names more: whatever the answer is, it must
// be proven.
func checkSweep(t *testing.T, s *server, m mode, tr verify.Trust, u *unbound, zone string) {
	t.Helper()
	qs := sweep(t, axfr(t, s.addr, zone), zone, dns.TypeA, dns.TypeTXT, dns.TypeDS)
	if len(qs) < 300 {
		t.Fatalf("only %d questions", len(qs))
	}
	for _, q := range qs {
		typ := dns.TypeToString[q.Qtype]
		r := ask(t, s.addr, q.Name, q.Qtype, true)
		v, err := verify.Answer(r, tr)
		if err != nil {
			t.Errorf("%s %s: %v\n%v", q.Name, typ, err, r)
		}
		if v.Kind == verify.Referral || v.Kind == verify.Alias || q.Qtype == dns.TypeDS && q.Name == zone {
			continue // the server to ask next does not exist
		}
		if got, msg := u.ask(t, q.Name, q.Qtype); !agrees(got, secure, m.optout) {
			t.Errorf("%s %s: unbound says %s\n%v", q.Name, typ, got, msg)
		}
	}
}

func typeNumber(t *testing.T, name string) uint16 {
	t.Helper()
	if n, ok := dns.StringToType[name]; ok {
		return n
	}
	var n uint16
	if _, err := fmt.Sscanf(name, "TYPE%d", &n); err != nil {
		t.Fatalf("no type %q", name)
	}
	return n
}
