package answer

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestAppend_header(t *testing.T) {
	s := corners(t, modes[0])
	for _, test := range []struct {
		ask  string
		edit func(q *Query)
		want string
	}{
		{"mail.example.org. A", func(q *Query) {}, "NOERROR aa"},
		{"mail.example.org. A", func(q *Query) { q.RD = true }, "NOERROR aa rd"},
		{"mail.example.org. A", func(q *Query) { q.CD = true }, "NOERROR aa"}, // RFC 4035 section 3.1.6
		{"www.sec.example.org. A", func(q *Query) {}, "NOERROR"},
		{"x.mail.example.org. A", func(q *Query) {}, "NXDOMAIN aa"},
		{"example.net. A", func(q *Query) {}, "REFUSED"},
		{"org. A", func(q *Query) {}, "REFUSED"},
		{"notexample.org. A", func(q *Query) {}, "REFUSED"},
		{"mail.example.org. A", func(q *Query) { q.Class = dns.ClassCHAOS }, "REFUSED"},
		{"mail.example.org. A", func(q *Query) { q.Class = dns.ClassANY }, "REFUSED"},
		{"mail.example.org. A", func(q *Query) { q.Opcode = dns.OpcodeNotify }, "NOTIMP"},
		{"example.org. AXFR", func(q *Query) {}, "NOTIMP"},
		{"example.org. IXFR", func(q *Query) {}, "NOTIMP"},
		{"example.org. MAILA", func(q *Query) {}, "NOTIMP"},
		{"example.org. OPT", func(q *Query) {}, "FORMERR"},
		{"example.org. TSIG", func(q *Query) {}, "FORMERR"},
		{"example.org. TYPE0", func(q *Query) {}, "FORMERR"},
		{"example.org. TYPE65535", func(q *Query) {}, "NOERROR aa"},
	} {
		q := query(t, test.ask)
		test.edit(q)
		m, res := ask(t, s, q)
		got := dns.RcodeToString[m.Rcode]
		for _, f := range []struct {
			set  bool
			name string
		}{{m.Authoritative, " aa"}, {m.Truncated, " tc"}, {m.RecursionDesired, " rd"}, {m.RecursionAvailable, " ra"}, {m.AuthenticatedData, " ad"}, {m.CheckingDisabled, " cd"}} {
			if f.set {
				got += f.name
			}
		}
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.ask, got, test.want)
		}
		if !m.Response || m.Id != q.ID || m.Opcode != int(q.Opcode) || len(m.Question) != 1 || m.Question[0].Qtype != q.Type || m.Question[0].Qclass != q.Class {
			t.Errorf("%s: the response does not repeat the question: %v", test.ask, m)
		}
		if failed := m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError; failed != (res.Kind == Failure) {
			t.Errorf("%s: %s is said to be %v", test.ask, got, res.Kind)
		}
	}
}

func TestAppend_oneOPTAndOnlyForOne(t *testing.T) {
	s := corners(t, modes[0])
	for _, text := range questions(t) {
		q := query(t, text)
		for _, do := range []bool{true, false} {
			q.EDNS, q.DO = true, do
			m, _ := ask(t, s, q)
			if opt := m.IsEdns0(); opt == nil || opt.Do() != do || opt.UDPSize() != 1232 || opt.Version() != 0 || len(opt.Option) > 0 {
				t.Fatalf("%s: OPT is %v", text, opt)
			}
		}
		q.EDNS = false
		if m, _ := ask(t, s, q); m.IsEdns0() != nil {
			t.Fatalf("%s: an OPT to a query without", text)
		}
	}
}

// Without DO there are no DNSSEC records but those that were asked for by type
// (RFC 3225 section 3, RFC 4035 section 3.2.1).
func TestAppend_withoutDO(t *testing.T) {
	for _, m := range modes {
		s := corners(t, m)
		for _, text := range questions(t) {
			q := query(t, text)
			q.DO = false
			msg, _ := ask(t, s, q)
			for _, rr := range slices.Concat(msg.Answer, msg.Ns, msg.Extra) {
				switch typ := rr.Header().Rrtype; typ {
				case dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeDS, dns.TypeDNSKEY, dns.TypeNSEC3PARAM:
					if typ != q.Type {
						t.Errorf("%s %s: %v", m.name, text, rr)
					}
				}
			}
			q.DO = true
			with, _ := ask(t, s, q)
			if with.Rcode != msg.Rcode || with.Authoritative != msg.Authoritative {
				t.Errorf("%s %s: DO changes the header", m.name, text)
			}
		}
	}
}

func TestAppend_keepsTheCaseOfTheQuestion(t *testing.T) {
	s := corners(t, modes[1])
	for _, test := range []struct{ ask, owner string }{
		{"MaIl.ExAmPlE.oRg. A", "MaIl.ExAmPlE.oRg."},
		{"X.w.Example.Org. TXT", "X.w.Example.Org."},
		{"wWw.D-Out.example.org. A", "D-Out.example.org."},
		{"C1.example.ORG. A", "C1.example.ORG."},
	} {
		m, _ := ask(t, s, query(t, test.ask))
		if got := m.Answer[0].Header().Name; got != test.owner {
			t.Errorf("%s: the answer's owner is %s, want %s", test.ask, got, test.owner)
		}
		if name, _, _ := strings.Cut(test.ask, " "); m.Question[0].Name != name {
			t.Errorf("%s: the question is %s", test.ask, m.Question[0].Name)
		}
	}
	m, _ := ask(t, s, query(t, "nothing.at.ALL.ExAmPlE.org. A"))
	if got := m.Ns[0].Header().Name; got != "ExAmPlE.org." {
		t.Errorf("the SOA's owner is %s", got)
	}
}

// A response appended to octets, as the length of a TCP message, is the same as
// one alone: what its pointers count from is where it begins.
func TestAppend_behindOtherOctets(t *testing.T) {
	s := corners(t, modes[1])
	for _, text := range questions(t) {
		alone, _ := Append(nil, s, query(t, text))
		behind, _ := Append([]byte("ab"), s, query(t, text))
		if !bytes.Equal(behind[2:], alone) || string(behind[:2]) != "ab" {
			t.Errorf("%s: differs", text)
		}
	}
}

func TestAppend_noAllocation(t *testing.T) {
	for _, m := range modes {
		s := corners(t, m)
		buf := make([]byte, 0, 8192)
		for _, text := range questions(t) {
			q := *query(t, text)
			if n := testing.AllocsPerRun(10, func() { Append(buf, s, &q) }); n > 0 {
				t.Errorf("%s %s: %v allocations", m.name, text, n)
			}
		}
	}
}

func TestAppendError(t *testing.T) {
	for _, test := range []struct {
		name  string
		rcode int
		ede   uint16
		text  string
		edit  func(q *Query)
		want  string
	}{
		{"not ready", dns.RcodeServerFailure, dns.ExtendedErrorCodeNotReady, "not signed yet", func(*Query) {}, "SERVFAIL 14 (Not Ready): (not signed yet)"},
		{"no text", dns.RcodeRefused, dns.ExtendedErrorCodeNotAuthoritative, "", func(*Query) {}, "REFUSED 20 (Not Authoritative): ()"},
		{"no EDE", dns.RcodeServerFailure, NoEDE, "", func(*Query) {}, "SERVFAIL"},
		{"no EDNS", dns.RcodeServerFailure, dns.ExtendedErrorCodeNotReady, "not signed yet", func(q *Query) { q.EDNS = false }, "SERVFAIL"},
		{"code above 15", dns.RcodeBadVers, NoEDE, "", func(*Query) {}, dns.RcodeToString[dns.RcodeBadVers]},
		{"text too long", dns.RcodeServerFailure, dns.ExtendedErrorCodeOther, strings.Repeat("long ", 200), func(q *Query) { q.MaxSize = 512 }, "SERVFAIL 0 (Other): (" + strings.Repeat("long ", 200)[:461] + ")"},
	} {
		q := query(t, "mail.example.org. A")
		test.edit(q)
		wire := AppendError(nil, q, test.rcode, test.ede, test.text)
		m := new(dns.Msg)
		if err := m.Unpack(wire); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		got := dns.RcodeToString[m.Rcode]
		if opt := m.IsEdns0(); opt != nil {
			for _, o := range opt.Option {
				got += " " + o.String()
			}
		} else if q.EDNS {
			t.Errorf("%s: no OPT", test.name)
		}
		if m.Authoritative || m.Id != q.ID || len(m.Question) != 1 || len(wire) > 512 {
			t.Errorf("%s: %v", test.name, m)
		}
		if got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

// EDNS EXPIRE comes with SOA answers and is no more than the signatures last
// (RFC 7314 section 2; a secondary must not outlive them).
func TestAppend_expire(t *testing.T) {
	s := corners(t, modes[0])
	for _, test := range []struct {
		name, ask string
		expiry    int64
		edns      bool
		want      string
	}{
		{"the SOA's value", "example.org. SOA", testNow + 2_000_000, true, "1209600"},
		{"the signatures end before", "example.org. SOA", testNow + 1000, true, "1000"},
		{"the signatures have ended", "example.org. SOA", testNow - 1, true, "0"},
		{"no SOA answer", "example.org. NS", testNow + 1000, true, ""},
		{"a negative answer's SOA", "example.org. A", testNow + 1000, true, ""},
		{"no EDNS", "example.org. SOA", testNow + 1000, false, ""},
	} {
		signed := *s
		signed.Expiry = test.expiry
		q := query(t, test.ask)
		q.Expire, q.EDNS = true, test.edns
		m, _ := ask(t, &signed, q)
		got := ""
		if opt := m.IsEdns0(); opt != nil {
			for _, o := range opt.Option {
				got += fmt.Sprint(o.(*dns.EDNS0_EXPIRE).Expire)
			}
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

// No cache keeps an RRset longer than its signatures last.
func TestAppend_capsTTLs(t *testing.T) {
	for _, m := range modes {
		s := corners(t, m)
		for _, left := range []int64{100_000, 200, 1, 0, -5} {
			for _, text := range questions(t) {
				q := query(t, text)
				q.Now = testNow + 100_000 - left
				msg, _ := ask(t, s, q)
				checkTTLs(t, text, msg, uint32(max(left, 0)))
			}
		}
	}
}

// checkTTLs checks that signed RRsets have TTLs of at most left and their
// RRSIGs the same ones.
func checkTTLs(t *testing.T, text string, m *dns.Msg, left uint32) {
	t.Helper()
	type set struct {
		owner string
		typ   uint16
	}
	for _, section := range [][]dns.RR{m.Answer, m.Ns, m.Extra} {
		ttls := map[set]uint32{}
		for _, rr := range section {
			if h := rr.Header(); h.Rrtype != dns.TypeRRSIG {
				ttls[set{h.Name, h.Rrtype}] = h.Ttl
			}
		}
		for _, rr := range section {
			sig, ok := rr.(*dns.RRSIG)
			if !ok {
				continue
			}
			ttl, ok := ttls[set{sig.Hdr.Name, sig.TypeCovered}]
			if ok && ttl != sig.Hdr.Ttl {
				t.Errorf("%s: an RRSIG over %s with TTL %d has %d", text, dns.Type(sig.TypeCovered), ttl, sig.Hdr.Ttl)
			}
			if sig.Hdr.Ttl > left {
				t.Errorf("%s: %s has TTL %d, the signature %d seconds left", text, dns.Type(sig.TypeCovered), sig.Hdr.Ttl, left)
			}
		}
	}
}
