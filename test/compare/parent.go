//go:build linux

package main

import (
	"net"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Parent is the zone "test.": its server answers for DS records, and its
// registry takes them from the CDS of the children, some seconds late.
type Parent struct {
	mu      sync.Mutex
	ds      map[string][]*dns.DS
	pending map[string]request
	servers []*dns.Server
}

// request is a change of a DS set that the registry has heard of.
type request struct {
	ds  []*dns.DS
	due time.Time
}

func newParent() *Parent {
	return &Parent{ds: map[string][]*dns.DS{}, pending: map[string]request{}}
}

// Listen starts answering and returns the port, the same for UDP and TCP.
func (p *Parent) Listen() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	conn, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		l.Close()
		return 0, err
	}
	for _, s := range []*dns.Server{{Listener: l, Handler: p}, {PacketConn: conn, Handler: p}} {
		p.servers = append(p.servers, s)
		go s.ActivateAndServe() // ends with Shutdown
	}
	return port, nil
}

// Close stops answering.
func (p *Parent) Close() {
	for _, s := range p.servers {
		s.Shutdown()
	}
}

const parentSOA = "test. 20 IN SOA ns.test. hostmaster.test. 1 7200 3600 259200 20"

// ServeDNS implements dns.Handler.
func (p *Parent) ServeDNS(w dns.ResponseWriter, r *dns.Msg) {
	m := new(dns.Msg)
	m.SetReply(r)
	m.Authoritative = true
	q := r.Question[0]
	name := strings.ToLower(q.Name)
	p.mu.Lock()
	if q.Qtype == dns.TypeDS {
		for _, ds := range p.ds[name] {
			m.Answer = append(m.Answer, ds)
		}
	}
	p.mu.Unlock()
	if len(m.Answer) == 0 {
		if soa, err := dns.NewRR(parentSOA); err == nil {
			m.Ns = append(m.Ns, soa)
		}
	}
	w.WriteMsg(m)
}

// Hear takes in the CDS set of a child (RFC 7344 section 6). None asks for
// nothing; one with algorithm 0 for no DS (RFC 8078 section 4).
func (p *Parent) Hear(now time.Time, child string, cds []*dns.CDS) {
	if len(cds) == 0 {
		return
	}
	var want []*dns.DS
	for _, c := range cds {
		if c.Algorithm != 0 {
			ds := c.DS
			ds.Hdr = dns.RR_Header{Name: child, Rrtype: dns.TypeDS, Class: dns.ClassINET, Ttl: dsTTL}
			want = append(want, &ds)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch r, waiting := p.pending[child]; {
	case equalDS(p.ds[child], want):
		delete(p.pending, child)
	case !waiting || !equalDS(r.ds, want):
		p.pending[child] = request{want, now.Add(registration * time.Second)}
	case !now.Before(r.due):
		p.ds[child] = want
		delete(p.pending, child)
	}
}

// DS returns the DS set of a child.
func (p *Parent) DS(child string) []*dns.DS {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ds[child]
}

func equalDS(a, b []*dns.DS) bool {
	set := map[string]bool{}
	for _, ds := range a {
		set[ds.String()] = true
	}
	for _, ds := range b {
		if !set[ds.String()] {
			return false
		}
	}
	return len(a) == len(b)
}
