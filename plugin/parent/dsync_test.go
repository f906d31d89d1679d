package parent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// TestTargets_AreFoundAsTheRFCSays follows the steps of RFC 9859 section 4.1.
func TestTargets_AreFoundAsTheRFCSays(t *testing.T) {
	target := func(owner, host string) string {
		return owner + " 60 TYPE66 \\# " + dsyncRDATA(dns.TypeCDS, 1, 5359, host)
	}
	const jp = "jp. 60 SOA a. b. 1 2 3 4 5"
	for _, c := range []struct {
		name, zone string
		records    []string
		host       string
		asked      []string
	}{
		{"for this child", "child.jp.", []string{jp, target("child._dsync.jp.", "x.")}, "x.", []string{"child._dsync.jp."}},
		{"with a dot in its label", `a\.b.jp.`, []string{jp, target(`a\.b._dsync.jp.`, "x.")}, "x.", []string{`a\.b._dsync.jp.`}},
		{"at the label itself", "child.jp.", []string{jp, target("_dsync.jp.", "x.")}, "x.", []string{"child._dsync.jp.", "_dsync.jp."}},
		{"the parent is further up", "city.ise.mie.jp.", []string{jp, target("city.ise.mie._dsync.jp.", "x.")}, "x.",
			[]string{"city._dsync.ise.mie.jp.", "city.ise.mie._dsync.jp."}},
		{"further up, at the label itself", "city.ise.mie.jp.", []string{jp, target("_dsync.jp.", "x.")}, "x.",
			[]string{"city._dsync.ise.mie.jp.", "city.ise.mie._dsync.jp.", "_dsync.jp."}},
		{"nowhere", "city.ise.mie.jp.", []string{jp}, "",
			[]string{"city._dsync.ise.mie.jp.", "city.ise.mie._dsync.jp.", "_dsync.jp."}},
		{"_dsync is a zone of its own", "child.jp.", []string{"_dsync.jp. 60 SOA a. b. 1 2 3 4 5", target("_dsync.jp.", "x.")}, "x.",
			[]string{"child._dsync.jp.", "_dsync.jp."}},
		{"below the root", "jp.", []string{". 60 SOA a. b. 1 2 3 4 5", target("jp._dsync.", "x.")}, "x.", []string{"jp._dsync."}},
		{"below the root, at the label itself", "jp.", []string{". 60 SOA a. b. 1 2 3 4 5", target("_dsync.", "x.")}, "x.", []string{"jp._dsync.", "_dsync."}},
		{"a denial without SOA", "child.jp.", []string{target("_dsync.jp.", "x.")}, "x.", []string{"child._dsync.jp.", "_dsync.jp."}},
	} {
		t.Run(c.name, func(t *testing.T) {
			known := parse(t, c.records...)
			heard := make(chan string, 10)
			resolver := answering(t, func(q *dns.Msg) *dns.Msg {
				if q.CheckingDisabled || !q.RecursionDesired || q.Question[0].Qtype != typeDSYNC {
					t.Errorf("asked %v", q)
				}
				heard <- q.Question[0].Name
				m := new(dns.Msg).SetReply(q)
				m.RecursionAvailable = true
				for _, rr := range known {
					if rr.Header().Rrtype == dns.TypeSOA {
						m.Ns = append(m.Ns, rr)
					} else if rr.Header().Name == q.Question[0].Name {
						m.Answer = append(m.Answer, rr)
					}
				}
				return m
			}, nil)
			list, err := Observer{Resolvers: []string{resolver}}.targets(t.Context(), c.zone)
			var asked []string
			for len(heard) > 0 {
				asked = append(asked, <-heard)
			}
			if !slices.Equal(asked, c.asked) {
				t.Errorf("asked %q, want %q", asked, c.asked)
			}
			if c.host == "" {
				if !errors.Is(err, ErrNoTarget) {
					t.Error(list, err)
				}
				return
			}
			if err != nil || len(list) != 1 || list[0] != (dsync{dns.TypeCDS, 1, 5359, c.host}) {
				t.Error(list, err)
			}
		})
	}
}

// TestTargets_AreThoseForNotifyOfCDS: other types, schemes, and what cannot be
// read are not a target, and nor is what cannot be known a refusal.
func TestTargets_AreThoseForNotifyOfCDS(t *testing.T) {
	cds := dsyncRDATA(dns.TypeCDS, 1, 5359, "Scanner.Example.")
	for _, c := range []struct {
		name  string
		rdata []string
		want  int
	}{
		{"CDS by NOTIFY", []string{cds}, 1},
		{"CSYNC", []string{dsyncRDATA(dns.TypeCSYNC, 1, 5359, "s.")}, 0},
		{"one for each", []string{dsyncRDATA(dns.TypeCSYNC, 1, 5359, "s."), cds}, 1},
		{"the null scheme", []string{dsyncRDATA(dns.TypeCDS, 0, 5359, "s.")}, 0},
		{"a private scheme", []string{dsyncRDATA(dns.TypeCDS, 128, 5359, "s.")}, 0},
		{"port 0", []string{dsyncRDATA(dns.TypeCDS, 1, 0, "s.")}, 0},
		{"no host", []string{dsyncRDATA(dns.TypeCDS, 1, 5359, ".")}, 0},
		{"nothing", []string{"0"}, 0},
		{"too short", []string{"5 003b01aabb"}, 0},
		{"a name cut off", []string{"8 003b01aabb057363"}, 0},
		{"more after the name", []string{"9 003b01aabb017300ff"}, 0},
		{"a compressed name", []string{"7 003b01aabbc000"}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var records []string
			for _, r := range c.rdata {
				records = append(records, "child._dsync.org. 60 TYPE66 \\# "+r)
			}
			list, err := Observer{Resolvers: []string{resolving(t, records...)}}.targets(t.Context(), "child.org.")
			if len(list) != c.want || errors.Is(err, ErrNoTarget) == (c.want > 0) {
				t.Errorf("%v, %v", list, err)
			}
			if c.want > 0 && list[0] != (dsync{dns.TypeCDS, 1, 5359, "scanner.example."}) {
				t.Errorf("%+v", list)
			}
		})
	}
	failing := answering(t, reply(t, dns.RcodeServerFailure), nil)
	if _, err := (Observer{Resolvers: []string{failing}}).Notify(t.Context(), "child.org."); !errors.Is(err, ErrUnreachable) || errors.Is(err, ErrNoTarget) {
		t.Errorf("a resolver that fails, as for a bogus record: %v", err)
	}
	if _, err := (Observer{}).Notify(t.Context(), "."); !errors.Is(err, ErrNoParent) {
		t.Error(err)
	}
}

// TestNotify_IsSentUntilItIsAcknowledged: RFC 1996 sections 3.6 to 4.7.
func TestNotify_IsSentUntilItIsAcknowledged(t *testing.T) {
	good := func(q *dns.Msg) *dns.Msg {
		want := dns.Question{Name: "child.org.", Qtype: dns.TypeCDS, Qclass: dns.ClassINET}
		if q.Opcode != dns.OpcodeNotify || !q.Authoritative || q.Response || len(q.Question) != 1 || q.Question[0] != want {
			t.Errorf("sent\n%v", q)
		}
		return new(dns.Msg).SetReply(q)
	}
	refuses := func(q *dns.Msg) *dns.Msg { return new(dns.Msg).SetRcode(q, dns.RcodeRefused) }
	for _, c := range []struct {
		name     string
		udp, tcp func(q *dns.Msg) *dns.Msg
		other    func(q *dns.Msg) *dns.Msg // at a second address
		want     string
	}{
		{"acknowledged", good, nil, nil, ""},
		{"by the second address", refuses, nil, good, ""},
		{"over TCP", nil, good, nil, ""},
		{"refused", refuses, nil, nil, "answers REFUSED"},
		{"refused by both", refuses, nil, refuses, "answers REFUSED"},
		{"answered as if it had been a question", func(q *dns.Msg) *dns.Msg {
			m := new(dns.Msg).SetReply(q)
			m.Opcode = dns.OpcodeQuery
			return m
		}, nil, nil, "connection refused"},
		{"sent back", func(q *dns.Msg) *dns.Msg { return q }, nil, nil, "connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			port := uint16(freePort(t, "127.0.0.1", "127.0.0.2"))
			answeringAt(t, fmt.Sprintf("127.0.0.1:%d", port), c.udp, c.tcp)
			records := []string{"child._dsync.org. 60 TYPE66 \\# " + dsyncRDATA(dns.TypeCDS, 1, port, "s.org."), "s.org. 60 A 127.0.0.1"}
			if c.other != nil {
				answeringAt(t, fmt.Sprintf("127.0.0.2:%d", port), c.other, nil)
				records = append(records, "s.org. 60 A 127.0.0.2")
			}
			targets, err := Observer{Resolvers: []string{resolving(t, records...)}}.Notify(t.Context(), "Child.org")
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) || targets != nil {
					t.Errorf("%v, %v", targets, err)
				}
				return
			}
			if err != nil || !slices.Equal(targets, []string{fmt.Sprintf("s.org.:%d", port)}) {
				t.Error(targets, err)
			}
		})
	}
}
