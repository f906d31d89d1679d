package parent

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

func tags(list []DS) (out []uint16) {
	for _, d := range list {
		out = append(out, d.KeyTag)
	}
	return out
}

func TestDS_KnowsAbsenceFromIgnorance(t *testing.T) {
	t.Parallel()
	first, second := startParent(t)
	resolver, rootServer := startResolver(t, first), startRoot(t)
	one, two, root := []string{first}, []string{first, second}, []string{rootServer}
	const nobody = "127.0.0.1:1"
	for _, c := range []struct {
		name string
		from Observer
		zone string
		tags []uint16
		is   error
		want string
	}{
		{"signed delegation", Observer{Agents: one}, "signed.org.", []uint16{2371, 60485}, nil, ""},
		{"without the final dot, in other case", Observer{Agents: one}, "SIGNED.org", []uint16{2371, 60485}, nil, ""},
		{"unsigned delegation", Observer{Agents: one}, "unsigned.org.", nil, nil, ""},
		{"no delegation", Observer{Agents: one}, "missing.org.", nil, nil, ""},
		{"an alias", Observer{Agents: one}, "alias.org.", nil, nil, ""},
		{"a wildcard", Observer{Agents: one}, "x.wild.org.", nil, nil, ""},
		{"all agree", Observer{Agents: two}, "signed.org.", []uint16{2371, 60485}, nil, ""},
		{"by the name this host has for it", Observer{Agents: []string{strings.Replace(first, "127.0.0.1", "localhost", 1)}}, "wild.org.", nil, nil, ""},
		{"all agree that there is none", Observer{Agents: two}, "unsigned.org.", nil, nil, ""},
		{"they disagree", Observer{Agents: two}, "mixed.org.", nil, ErrDisagree, "has DS 7 8 2 D4B7D520"},
		{"one has none", Observer{Agents: two}, "many.org.", nil, ErrDisagree, "has no DS"},
		{"one is silent", Observer{Agents: []string{nobody, first}}, "signed.org.", nil, ErrUnreachable, "127.0.0.1:1: "},
		{"not a server of the parent", Observer{Agents: one}, "example.com.", nil, ErrUnreachable, "answers REFUSED"},
		{"a zone that did not load", Observer{Agents: one}, "x.broken.", nil, ErrUnreachable, "answers SERVFAIL"},
		{"the zone itself", Observer{Agents: one}, "example.net.", nil, ErrUnreachable, "is a server of the zone itself"},
		{"a server further up", Observer{Agents: root}, "example.com.", nil, ErrUnreachable, "only refers to other servers"},
		{"root as parent", Observer{Agents: root}, "com.", nil, nil, ""},
		{"the root has no parent", Observer{Agents: []string{nobody}}, ".", nil, nil, ""},
		{"resolver", Observer{Resolvers: []string{resolver}}, "signed.org.", []uint16{2371, 60485}, nil, ""},
		{"the first resolver is down", Observer{Resolvers: []string{nobody, first}}, "signed.org.", []uint16{2371, 60485}, nil, ""},
		{"a resolver that knows of none", Observer{Resolvers: []string{resolver}}, "unsigned.org.", nil, nil, ""},
		{"a resolver that knows no such name", Observer{Resolvers: []string{resolver}}, "missing.org.", nil, nil, ""},
		{"the first resolver fails", Observer{Resolvers: []string{resolver, rootServer}}, "x.broken.", nil, nil, ""},
		{"a resolver that cannot find out", Observer{Resolvers: []string{resolver}}, "x.broken.", nil, ErrUnreachable, "answers SERVFAIL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			list, err := c.from.DS(ctx, c.zone)
			if !slices.Equal(tags(list), c.tags) || !errors.Is(err, c.is) || (err == nil) != (c.is == nil) {
				t.Fatalf("got %v, error %v", list, err)
			}
			if err != nil && (!strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "parent of ")) {
				t.Errorf("got %q, want %q", err, c.want)
			}
		})
	}
}

func TestDS_ReadsTheWholeRecord(t *testing.T) {
	first, second := startParent(t)
	list, err := Observer{Agents: []string{first, second}}.DS(t.Context(), "signed.org.")
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	const want = "60485 13 2 D4B7D520E7BB5F0F67674A0CCEB1E3E0614B93C4F9E99B8383F6A1E4469DA50A"
	if got := list[1].String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if list[1].TTL != 900 { // P4: the longest of what the servers say
		t.Errorf("TTL is %d", list[1].TTL)
	}
}

func TestDS_GoesToTCPWhenTheAnswerIsLong(t *testing.T) {
	first, _ := startParent(t)
	list, err := Observer{Agents: []string{first}}.DS(t.Context(), "many.org.")
	if err != nil || len(list) != 60 {
		t.Errorf("got %d DS, error %v", len(list), err)
	}
}

func TestDS_BelievesOnlyWhatIsShown(t *testing.T) {
	const zone = "example.org."
	const soa = "org. 60 SOA a. b. 1 2 3 4 5"
	truncated := func(q *dns.Msg) *dns.Msg {
		m := reply(t, dns.RcodeSuccess, "example.org. 60 DS 9 13 2 00")(q)
		m.Truncated = true
		return m
	}
	for _, c := range []struct {
		name     string
		udp, tcp func(q *dns.Msg) *dns.Msg
		tags     []uint16
		want     string
	}{
		{"no DS and an SOA of the parent", reply(t, dns.RcodeSuccess, soa), nil, nil, ""},
		{"no name and an SOA of the root", reply(t, dns.RcodeNameError, ". 60 SOA a. b. 1 2 3 4 5"), nil, nil, ""},
		{"no DS and nothing else", reply(t, dns.RcodeSuccess), nil, nil, "without the SOA"},
		{"no name and nothing else", reply(t, dns.RcodeNameError), nil, nil, "without the SOA"},
		{"no DS and an SOA from elsewhere", reply(t, dns.RcodeSuccess, "net. 60 SOA a. b. 1 2 3 4 5"), nil, nil, "without the SOA"},
		{"a DS of another name", reply(t, dns.RcodeSuccess, "example.net. 60 DS 1 13 2 00"), nil, nil, "without the SOA"},
		{"the same DS twice", reply(t, dns.RcodeSuccess, "Example.org. 60 DS 1 13 2 00", "example.org. 60 DS 1 13 2 00"), nil, []uint16{1}, ""},
		{"an error of the server", reply(t, dns.RcodeNotImplemented, soa), nil, nil, "answers NOTIMP"},
		{"another question", func(q *dns.Msg) *dns.Msg {
			m := reply(t, dns.RcodeSuccess, soa)(q)
			m.Question[0].Qtype = dns.TypeA
			return m
		}, nil, nil, "127.0.0.1:"},
		{"silent over UDP", nil, reply(t, dns.RcodeSuccess, "example.org. 60 DS 1 13 2 00"), []uint16{1}, ""},
		{"cut, the whole over TCP", truncated, reply(t, dns.RcodeSuccess, "example.org. 60 DS 1 13 2 00"), []uint16{1}, ""},
		{"cut, nothing over TCP", truncated, nil, nil, "connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			list, err := Observer{Agents: []string{answering(t, c.udp, c.tcp)}}.DS(t.Context(), zone)
			if !slices.Equal(tags(list), c.tags) || (err == nil) != (c.want == "") {
				t.Fatalf("got %v, error %v", list, err)
			}
			if err != nil && (!errors.Is(err, ErrUnreachable) || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %q, want %q", err, c.want)
			}
		})
	}
}

func TestDS_AsksAsTheContractSays(t *testing.T) {
	asked := make(chan *dns.Msg, 1)
	server := answering(t, func(q *dns.Msg) *dns.Msg {
		asked <- q.Copy()
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable = true
		m.Ns = []dns.RR{&dns.SOA{Hdr: dns.RR_Header{Name: "org.", Rrtype: dns.TypeSOA, Class: 1}, Ns: ".", Mbox: "."}}
		return m
	}, nil)
	if _, err := (Observer{Agents: []string{server}}).DS(t.Context(), "example.org"); err != nil {
		t.Fatal(err)
	}
	m := <-asked
	if q := m.Question[0]; q.Name != "example.org." || q.Qtype != dns.TypeDS || !m.RecursionDesired || !m.CheckingDisabled {
		t.Errorf("asked\n%v", m)
	}
}

func TestDS_KeepsTheDeadline(t *testing.T) {
	t.Parallel()
	silent := answering(t, nil, nil)
	for name, o := range map[string]Observer{
		"agents":    {Agents: []string{silent, silent}},
		"resolvers": {Resolvers: []string{silent, silent, silent}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		_, err := o.DS(ctx, "example.org.")
		if took := time.Since(began); !errors.Is(err, ErrUnreachable) || took > 2*time.Second {
			t.Errorf("%s: after %s: %v", name, took, err)
		}
		cancel()
	}
}

func TestDS_StopsWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	silent := answering(t, func(q *dns.Msg) *dns.Msg {
		cancel() // while the question is under way
		m := new(dns.Msg).SetReply(q)
		m.Id++ // not the answer
		return m
	}, nil)
	began := time.Now()
	_, err := Observer{Agents: []string{silent}}.DS(ctx, "example.org.")
	if took := time.Since(began); !errors.Is(err, ErrUnreachable) || !errors.Is(err, context.Canceled) || took > time.Second {
		t.Errorf("after %s: %v", took, err)
	}
}
