package autosign

import (
	"context"
	"net"
	"strings"
	"testing"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

func TestAppendWire_IsMiekgs(t *testing.T) {
	long := strings.Repeat(strings.Repeat("a", 63)+".", 3) + strings.Repeat("b", 61) + "."
	for _, name := range []string{
		".", "org.", "Example.ORG.", `a\.b.example.org.`, `\000\255\032.example.`, `\\.x.`, `\".x.`, `*.example.`,
		long, strings.Repeat("a.", 127),
	} {
		want := make([]byte, 300)
		n, err := dns.PackDomainName(name, want, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := appendWire(nil, name)
		if !ok || string(got) != string(want[:n]) {
			t.Errorf("%q: %x, want %x", name, got, want[:n])
		}
	}
	for _, name := range []string{"", "example.org", "..", "a..b.", strings.Repeat("a", 64) + ".", "x" + long, `a\`, `a\.`} {
		if wire, ok := appendWire(nil, name); ok {
			t.Errorf("%q is taken for a name: %x", name, wire)
		}
	}
}

func wire(t *testing.T, name string) []byte {
	t.Helper()
	w, ok := appendWire(nil, name)
	if !ok {
		t.Fatal(name)
	}
	return w
}

func TestZoneTable_LongestMatch(t *testing.T) {
	var table zoneTable
	signers := map[string]*signer{}
	for _, origin := range []string{"example.org.", "sub.example.org.", "a.b.c.d.example.net."} {
		signers[origin] = &signer{}
		table.add(wire(t, origin), signers[origin])
	}
	table.add(wire(t, "unsigned.example.org."), nil)
	for name, want := range map[string]string{
		"example.org.": "example.org.", "www.example.org.": "example.org.", "xsub.example.org.": "example.org.",
		"a.sub.example.org.": "sub.example.org.", "x.unsigned.example.org.": "", "org.": "", ".": "", "badexample.org.": "",
		strings.Repeat("x.", 100) + "sub.example.org.": "sub.example.org.", "b.c.d.example.net.": "",
		"x.a.b.c.d.example.net.": "a.b.c.d.example.net.",
	} {
		if got := table.find(wire(t, name)); got != signers[want] {
			t.Errorf("%s is not in %q", name, want)
		}
	}
}

func TestRegistry_LongestProperAncestor(t *testing.T) {
	var r registry
	scopes := []scope{{"dns://:53", ""}}
	root, org, sub, seen := &signer{origin: []byte{0}}, &signer{origin: wire(t, "org.")}, &signer{origin: wire(t, "a.example.org.")},
		&signer{origin: wire(t, "org.")}
	for _, s := range []*signer{root, org, sub} {
		r.add(s, scopes)
	}
	r.add(seen, []scope{{"dns://:53", "inside"}})
	plain := context.WithValue(context.Background(), dnsserver.Key{}, &dnsserver.Server{Addr: "dns://:53"})
	view := context.WithValue(plain, dnsserver.ViewKey{}, "inside")
	elsewhere := context.WithValue(context.Background(), dnsserver.Key{}, &dnsserver.Server{Addr: "dns://:54"})
	for _, tt := range []struct {
		ctx  context.Context
		name string
		want *signer
	}{
		{plain, "org.", root}, {plain, "example.org.", org}, {plain, "a.example.org.", org}, {plain, "b.a.example.org.", sub},
		{plain, "com.", root}, {view, "example.org.", seen}, {view, "b.a.example.org.", sub}, {elsewhere, "org.", nil},
	} {
		if got := r.find(tt.ctx, wire(t, tt.name)); got != tt.want {
			t.Errorf("DS %s goes to the wrong zone", tt.name)
		}
	}
	for _, s := range []*signer{root, org, sub, seen} {
		r.remove(s)
	}
	if n := len(*r.scopes.Load()); n != 0 {
		t.Errorf("%d scopes are left", n)
	}
}

// recorder keeps what is written, and which way.
type recorder struct {
	test.ResponseWriter
	wire []byte
	msg  *dns.Msg
}

func (r *recorder) Write(b []byte) (int, error) { r.wire = append([]byte{}, b...); return len(b), nil }
func (r *recorder) WriteMsg(m *dns.Msg) error   { r.msg = m; return nil }

func TestServeDNS_SomebodyInBetween_GetsAMessage(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	s.mustRun(t)
	a := &Autosign{Next: test.NextHandler(dns.RcodeRefused, nil)}
	a.zones.add(s.origin, s)
	q := new(dns.Msg).SetQuestion("WWW.example.org.", dns.TypeA)
	q.SetEdns0(1232, true)
	w := &recorder{}
	if rcode, err := a.ServeDNS(t.Context(), request.NewScrubWriter(q, w), q); rcode != dns.RcodeSuccess || err != nil {
		t.Fatal(rcode, err)
	}
	if w.msg == nil || w.wire != nil || len(w.msg.Answer) != 2 || w.msg.Answer[0].Header().Name != "WWW.example.org." {
		t.Errorf("written: %v, %x", w.msg, w.wire)
	}
	for _, pass := range []struct {
		what string
		q    *dns.Msg
	}{
		{"AXFR", new(dns.Msg).SetAxfr("example.org.")},
		{"IXFR", new(dns.Msg).SetIxfr("example.org.", 1, "a.", "b.")},
		{"UPDATE", new(dns.Msg).SetUpdate("example.org.")},
		{"NOTIFY", new(dns.Msg).SetNotify("example.org.")},
		{"another zone", new(dns.Msg).SetQuestion("example.com.", dns.TypeA)},
	} {
		if rcode, _ := a.ServeDNS(t.Context(), &recorder{}, pass.q); rcode != dns.RcodeRefused {
			t.Errorf("%s is not passed on", pass.what)
		}
	}
	chaos := new(dns.Msg).SetQuestion("example.org.", dns.TypeA)
	chaos.Question[0].Qclass = dns.ClassCHAOS
	w = &recorder{}
	if a.ServeDNS(t.Context(), w, chaos); w.msg == nil || w.msg.Rcode != dns.RcodeRefused {
		t.Errorf("class CH is answered with %v", w.msg)
	}
}

func TestServeDNS_Direct_AllocatesNothing(t *testing.T) {
	p := newPlace(t)
	s := p.signer()
	s.mustRun(t)
	a := &Autosign{}
	a.zones.add(s.origin, s)
	done := make(chan struct{})
	var q12 [12]byte
	var allocs float64
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &dns.Server{PacketConn: pc, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		scrub := request.NewScrubWriter(r, w)
		if !direct(scrub) {
			t.Error("the server's own writer is not known")
		}
		ctx := context.Background()
		written := testing.AllocsPerRun(100, func() { w.Write(q12[:]) })
		allocs = testing.AllocsPerRun(100, func() { a.ServeDNS(ctx, scrub, r) }) - written
		close(done)
	})}
	go srv.ActivateAndServe()
	defer srv.Shutdown()
	q := new(dns.Msg).SetQuestion("www.example.org.", dns.TypeA)
	q.SetEdns0(1232, true)
	r, err := dns.Exchange(q, pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	<-done
	if len(r.Answer) != 2 || !r.Authoritative {
		t.Errorf("answered with\n%v", r)
	}
	if allocs > 2 { // none; but the race detector makes a sync.Pool forget
		t.Errorf("%.0f allocations an answer beside those of the socket", allocs)
	}
}
