package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/verify"
)

// Stock CoreDNS, its sign plugin with its file plugin, answers the questions
// below in ways that validators refuse or that lack a proof. Each test asks us
// and, to show that the test can fail, asks it.

const stockZone = "example.org."

// stockRecords is the zone in which all these questions have a place. Names
// that sort between the ones asked about matter: with fewer of them one NSEC
// often proves by luck what another should.
var stockRecords = plain(1,
	"*.w IN TXT wild", "m.w IN A 192.0.2.3", "zz.w IN A 192.0.2.4",
	"*.wc IN CNAME www", "m.wc IN A 192.0.2.5",
	"x.*.entwc IN A 192.0.2.6", "b.entwc IN A 192.0.2.7", "zz.entwc IN A 192.0.2.8",
	"insec IN NS ns.insec", "ns.insec IN A 192.0.2.53",
	"tail IN CNAME missing", "txt IN TXT only", "tonodata IN CNAME txt")

func TestStock_WildcardNODATA(t *testing.T)     { againstStock(t, "x.w", dns.TypeA) }
func TestStock_WildcardCNAME(t *testing.T)      { againstStock(t, "x.wc", dns.TypeA) }
func TestStock_WildcardAtENT(t *testing.T)      { againstStock(t, "foo.entwc", dns.TypeA) }
func TestStock_NXDOMAINBesideGlue(t *testing.T) { againstStock(t, "insed", dns.TypeA) }

// againstStock asks both validators: our answer must be secure, and stock
// CoreDNS's bogus.
func againstStock(t *testing.T, name string, typ uint16) {
	t.Parallel()
	name = absolute(name, stockZone)
	ours, stock := ourServer(t), stockServer(t)
	for _, c := range []struct {
		what string
		s    *server
		want verdict
	}{{"autosign", ours, secure}, {"sign and file", stock, bogus}} {
		if got, out := newDelv(t, c.s.addr, stockZone).ask(t, name, dns.TypeToString[typ]); got != c.want {
			t.Errorf("%s: delv says %s, want %s\n%s", c.what, got, c.want, out)
		}
		u := newUnbound(t, false, upstream{stockZone, c.s.addr, true})
		if got, msg := u.ask(t, name, typ); got != c.want {
			t.Errorf("%s: unbound says %s, want %s\n%v", c.what, got, c.want, msg)
		}
	}
}

// TestStock_UnsignedReferral: a resolver mends this by asking for the DS, so
// only the message itself shows the fault (RFC 4035 section 3.1.4.1).
func TestStock_UnsignedReferral(t *testing.T) {
	t.Parallel()
	messageAgainstStock(t, "host.insec", verify.Referral)
}

// TestStock_InZoneCNAMETail: validators ask again for the tail, so here too
// only the message shows that its proof is missing.
func TestStock_InZoneCNAMETail(t *testing.T) {
	t.Parallel()
	messageAgainstStock(t, "tail", verify.NameError)
	messageAgainstStock(t, "tonodata", verify.NoData)
}

func messageAgainstStock(t *testing.T, name string, kind verify.Kind) {
	t.Helper()
	name = absolute(name, stockZone)
	ours, stock := ourServer(t), stockServer(t)

	r := ask(t, ours.addr, name, dns.TypeA, true)
	if v, err := verify.Answer(r, trust(t, ours.addr, stockZone)); err != nil || v.Kind != kind {
		t.Errorf("autosign: kind %v, error %v\n%v", v.Kind, err, r)
	}
	if !hasProof(r) {
		t.Errorf("autosign: no signed NSEC in the authority section\n%v", r)
	}
	r = ask(t, stock.addr, name, dns.TypeA, true)
	if hasProof(r) {
		t.Errorf("sign and file: the proof is there, so this test shows nothing\n%v", r)
	}
	if v, err := verify.Answer(r, trust(t, stock.addr, stockZone)); err == nil && v.Kind == kind {
		t.Errorf("sign and file: plugin/verify accepts an answer without proof\n%v", r)
	}
}

// hasProof reports whether the authority section has an NSEC with its RRSIG.
func hasProof(r *dns.Msg) bool {
	nsec, sig := false, false
	for _, rr := range r.Ns {
		switch rr := rr.(type) {
		case *dns.NSEC:
			nsec = true
		case *dns.RRSIG:
			sig = sig || rr.TypeCovered == dns.TypeNSEC
		}
	}
	return nsec && sig
}

func ourServer(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{"db": stockRecords})
	s := start(t, dir, block(stockZone, "db"))
	s.signed(t, stockZone)
	return s
}

// stockServer signs with sign and serves with file.
func stockServer(t *testing.T) *server {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{"db": "$ORIGIN " + stockZone + "\n" + stockRecords})
	key := keygen(t, dir, stockZone, "-a", "ECDSAP256SHA256", "-f", "KSK")
	s := start(t, dir, fmt.Sprintf(`%s:PORT {
    bind 127.0.0.1
    sign db {
        key file %s
        directory .
    }
    file db.%ssigned {
        reload 50ms
    }
    transfer {
        to *
    }
}
`, strings.TrimSuffix(stockZone, "."), key, stockZone))
	s.signed(t, stockZone)
	return s
}

// keygen makes a key with BIND's dnssec-keygen and returns its name, the
// files' name without ending.
func keygen(t *testing.T, dir, zone string, options ...string) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	out, ok := output(t, dir, "dnssec-keygen", append(append([]string{"-q"}, options...), zone)...)
	name := strings.TrimSpace(out)
	if _, err := os.Stat(filepath.Join(dir, name+".key")); !ok || err != nil {
		t.Fatalf("dnssec-keygen %q: %s", options, out)
	}
	return name
}
