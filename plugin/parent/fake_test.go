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
	port := freePort(t)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	for network, answer := range map[string]func(*dns.Msg) *dns.Msg{"udp": answer, "tcp": tcp} {
		if answer == nil && network == "tcp" {
			continue
		}
		started := make(chan struct{})
		server := &dns.Server{
			Addr: address, Net: network, NotifyStartedFunc: func() { close(started) },
			Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
				if answer != nil {
					w.WriteMsg(answer(q))
				}
			}),
		}
		go server.ListenAndServe()
		<-started
		t.Cleanup(func() { server.Shutdown() })
	}
	return address
}

// parsePort returns the port of an address.
func parsePort(address string) (uint16, error) {
	a, err := netip.ParseAddrPort(address)
	return a.Port(), err
}
