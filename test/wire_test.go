package test

import (
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/verify"
)

// cornerServer serves the zone of all corners, signed.
func cornerServer(t *testing.T, zone string, properties ...string) *server {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, map[string]string{"db": corners(zone, 1)})
	s := start(t, dir, block(zone, "db", properties...))
	s.signed(t, zone)
	return s
}

// TestWire_DNSSECRecordsOnlyWhenAskedFor asks everything four ways: without
// EDNS, with it, with DO, and by TCP. The first two must say the same as the
// third, less what RFC 4035 section 3.1 keeps for those who set DO.
func TestWire_DNSSECRecordsOnlyWhenAskedFor(t *testing.T) {
	for _, m := range modes[:2] {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			const zone = "example.org."
			s := cornerServer(t, zone, "denial "+m.denial)
			for _, p := range probes {
				name, typ := absolute(p.name, zone), typeNumber(t, p.typ)
				full := ask(t, s.addr, name, typ, true)
				bare := ask(t, s.addr, name, typ, false)
				edns := query(name, typ, false)
				edns.SetEdns0(4096, false)
				noDO, err := exchange(s.addr, "udp", edns)
				if err != nil {
					t.Fatal(err)
				}
				if bare.IsEdns0() != nil {
					t.Errorf("%s: OPT in the answer to a query without", p.what)
				}
				if o := noDO.IsEdns0(); o == nil || o.Do() {
					t.Errorf("%s: OPT of the answer without DO: %v", p.what, o)
				}
				if o := full.IsEdns0(); o == nil || !o.Do() {
					t.Errorf("%s: OPT of the answer with DO: %v", p.what, o)
				}
				want := said(full, typ)
				if got := said(bare, typ); !slices.Equal(got, want) {
					t.Errorf("%s: without EDNS\n%v\nwith DO\n%v", p.what, bare, full)
				}
				if got := said(noDO, typ); !noDO.Truncated && !slices.Equal(got, want) {
					t.Errorf("%s: without DO\n%v\nwith DO\n%v", p.what, noDO, full)
				}
				for _, rr := range slices.Concat(bare.Answer, bare.Ns) {
					if signing(rr) && rr.Header().Rrtype != typ && typ != dns.TypeANY {
						t.Errorf("%s: %v in the answer to a query without DO", p.what, rr)
					}
				}
			}
		})
	}
}

// said is what a message says, less what only DO asks for.
func said(r *dns.Msg, typ uint16) []string {
	list := []string{dns.RcodeToString[r.Rcode]}
	for i, section := range [][]dns.RR{r.Answer, r.Ns, r.Extra} {
		for _, rr := range section {
			if rr.Header().Rrtype == dns.TypeOPT || rr.Header().Rrtype == dns.TypeDS && i > 0 ||
				signing(rr) && rr.Header().Rrtype != typ {
				continue
			}
			list = append(list, []string{"answer ", "authority ", "additional "}[i]+rr.String())
		}
	}
	slices.Sort(list)
	return list
}

func signing(rr dns.RR) bool {
	switch rr.Header().Rrtype {
	case dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3:
		return true
	}
	return false
}

// TestWire_TruncationByWholeRRsets: a set that does not fit is left out as a
// whole and TC is set (RFC 2181 section 9); by TCP all of it comes.
func TestWire_TruncationByWholeRRsets(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	s := cornerServer(t, zone, "algorithm RSASHA512", "ksk bits 4096", "zsk bits 4096")
	for _, q := range []struct {
		name string
		typ  uint16
	}{{"big", dns.TypeTXT}, {"@", dns.TypeDNSKEY}, {"www", dns.TypeA}, {"nope", dns.TypeA}, {"host.signed", dns.TypeA}, {"host.unsigned", dns.TypeA}} {
		name := absolute(q.name, zone)
		whole, err := exchange(s.addr, "tcp", query(name, q.typ, true))
		if err != nil || whole.Truncated {
			t.Fatalf("%s by TCP: error %v, truncated %v", name, err, whole.Truncated)
		}
		if _, err := verify.Answer(whole, trust(t, s.addr, zone)); err != nil {
			t.Errorf("%s by TCP: %v", name, err)
		}
		for _, size := range []uint16{512, 700, 1232, 1400, 4096} {
			m := query(name, q.typ, true)
			m.IsEdns0().SetUDPSize(size)
			r, err := exchange(s.addr, "udp", m)
			if err != nil {
				t.Fatal(err)
			}
			r.Compress = true // for Len; the server's own compression is no worse
			if n := r.Len(); n > int(size) {
				t.Errorf("%s: %d octets in answer to a client that takes %d", name, n, size)
			}
			checkWholeSets(t, r, whole)
		}
	}
}

// checkWholeSets compares a message with the uncut one: each RRset of the
// answer and authority sections, with its signatures, is there or not, and TC
// says which.
func checkWholeSets(t *testing.T, r, whole *dns.Msg) {
	t.Helper()
	missing := false
	for _, pair := range [][2][]dns.RR{{r.Answer, whole.Answer}, {r.Ns, whole.Ns}} {
		got, want := sets(pair[0]), sets(pair[1])
		for set, n := range want {
			if got[set] != n && got[set] != 0 {
				t.Errorf("%d of the %d records of %s\n%v", got[set], n, set, r)
			}
			missing = missing || got[set] == 0
		}
	}
	if missing != r.Truncated {
		t.Errorf("records are missing: %v; TC: %v\n%v", missing, r.Truncated, r)
	}
}

// sets counts records by RRset; signatures count with what they sign.
func sets(rrs []dns.RR) map[string]int {
	n := map[string]int{}
	for _, rr := range rrs {
		typ := rr.Header().Rrtype
		if sig, ok := rr.(*dns.RRSIG); ok {
			typ = sig.TypeCovered
		}
		n[strings.ToLower(rr.Header().Name)+" "+dns.TypeToString[typ]]++
	}
	return n
}

// TestWire_KeepsTheCaseOfTheQuestion: resolvers that randomize it (0x20) throw
// other answers away.
func TestWire_KeepsTheCaseOfTheQuestion(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	s := cornerServer(t, zone)
	for _, name := range []string{"WwW.ExAmPlE.oRg.", "mIxEd.cAsE.exAMPLE.org.", "SomE.wiLD.Example.Org."} {
		r := ask(t, s.addr, name, dns.TypeTXT, true)
		if r.Question[0].Name != name {
			t.Errorf("asked for %s, the answer repeats %s", name, r.Question[0].Name)
		}
		for _, rr := range r.Answer {
			if rr.Header().Name != name {
				t.Errorf("asked for %s, answered with %s", name, rr.Header().Name)
			}
		}
	}
}

// TestWire_OtherOpcodesArePassedOn: what is no query is none of our business.
// The file plugin, next in line, drops a NOTIFY with a word and no answer.
func TestWire_OtherOpcodesArePassedOn(t *testing.T) {
	t.Parallel()
	const zone = "example.org."
	s := cornerServer(t, zone)
	m := query(zone, dns.TypeSOA, false)
	m.Opcode = dns.OpcodeNotify
	if r, err := exchange(s.addr, "udp", m); err == nil {
		t.Errorf("NOTIFY was answered: %v", r)
	}
	if !s.has("Dropping notify") {
		t.Error("NOTIFY did not reach the file plugin")
	}
	m.Opcode = dns.OpcodeUpdate
	if r, err := exchange(s.addr, "udp", m); err == nil && r.Rcode == dns.RcodeSuccess {
		t.Errorf("UPDATE was answered as a query: %v", r)
	}
}
