package parent

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

// answering starts a server that answers every question over UDP with answer,
// and over TCP with tcp; nil: not at all. It returns its address.
func answering(t *testing.T, answer, tcp func(q *dns.Msg) *dns.Msg) string {
	t.Helper()
	return answeringAt(t, fmt.Sprintf("127.0.0.1:%d", freePort(t)), answer, tcp)
}

func answeringAt(t *testing.T, address string, answer, tcp func(q *dns.Msg) *dns.Msg) string {
	t.Helper()
	for network, answer := range map[string]func(*dns.Msg) *dns.Msg{"udp": answer, "tcp": tcp} {
		if answer == nil && network == "tcp" {
			continue
		}
		started := make(chan struct{})
		server := &dns.Server{
			Addr: address, Net: network, NotifyStartedFunc: func() { close(started) },
			Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
				if answer == nil {
					return
				}
				if m := answer(q); m != nil {
					w.WriteMsg(m)
				}
			}),
		}
		go server.ListenAndServe()
		<-started
		t.Cleanup(func() { server.Shutdown() })
	}
	return address
}

// reply returns what answers with the rcode and records, with authority. An SOA
// and NS stand in the authority section.
func reply(t *testing.T, rcode int, records ...string) func(q *dns.Msg) *dns.Msg {
	parsed := parse(t, records...)
	return func(q *dns.Msg) *dns.Msg {
		m := new(dns.Msg).SetRcode(q, rcode)
		m.Authoritative = true
		for _, rr := range parsed {
			if typ := rr.Header().Rrtype; typ == dns.TypeSOA || typ == dns.TypeNS {
				m.Ns = append(m.Ns, rr)
			} else {
				m.Answer = append(m.Answer, rr)
			}
		}
		return m
	}
}

func parse(t *testing.T, records ...string) (list []dns.RR) {
	t.Helper()
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, rr)
	}
	return list
}

// resolving starts a resolver that knows these records, and says of all others
// that they are not there, with the records of type SOA that stand above. It
// returns its address.
func resolving(t *testing.T, records ...string) string {
	t.Helper()
	known := parse(t, records...)
	return answering(t, func(q *dns.Msg) *dns.Msg {
		m := new(dns.Msg).SetReply(q)
		m.RecursionAvailable = true
		for _, rr := range known {
			h := rr.Header()
			switch {
			case h.Name == q.Question[0].Name && (h.Rrtype == q.Question[0].Qtype || h.Rrtype == dns.TypeCNAME):
				m.Answer = append(m.Answer, rr)
			case h.Rrtype == dns.TypeSOA && dns.IsSubDomain(h.Name, q.Question[0].Name):
				m.Ns = append(m.Ns, rr)
			}
		}
		if len(m.Answer) > 0 {
			m.Ns = nil
		}
		return m
	}, nil)
}

// parsePort returns the port of an address.
func parsePort(address string) (uint16, error) {
	a, err := netip.ParseAddrPort(address)
	return a.Port(), err
}
