package autosign

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/edns"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"

	"github.com/autosign-dns/autosign/plugin/answer"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// Autosign is the handler of one server block: it answers for the zones that
// it signs, from their signed copies.
type Autosign struct {
	Next plugin.Handler

	names   []string // origins, normalized; fixed at setup
	zones   zoneTable
	signers []*signer
}

// Name implements plugin.Handler.
func (a *Autosign) Name() string { return name }

// CacheBypassZones implements cache.ZoneBypasser: what is signed here comes
// from memory anyway, and a cache would outlive signatures and versions.
func (a *Autosign) CacheBypassZones() []string { return a.names }

// Ready implements ready.Readiness. The ready plugin knows plugins by name and
// keeps one instance of each, so every instance answers for all of them.
func (a *Autosign) Ready() bool { return everyZoneReady(time.Now()) }

// Sign signs a zone from what its source holds now, also where `automatic off`
// keeps the records published last. It returns when that is done, or why not.
func (a *Autosign) Sign(ctx context.Context, origin string) error {
	for _, s := range a.signers {
		if s.zone == plugin.Name(origin).Normalize() {
			return s.Sign(ctx)
		}
	}
	return fmt.Errorf("%s: not signed here", origin)
}

// above reports whether p, rather than the server block's own zone s, has the
// parent's side of a name: s is the name's own zone, or p the longer of the two.
func above(p, s *signer, folded []byte) bool {
	return s == nil || len(s.origin) == len(folded) || len(p.origin) >= len(s.origin)
}

// ServeDNS implements plugin.Handler. Inside a zone that is signed here nothing
// is handed on but transfers and messages that are no queries: whatever stands
// behind would answer unsigned.
func (a *Autosign) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	if len(r.Question) != 1 || r.Opcode != dns.OpcodeQuery {
		return plugin.NextOrFailure(name, a.Next, ctx, w, r)
	}
	q := &r.Question[0]
	if q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR {
		return plugin.NextOrFailure(name, a.Next, ctx, w, r)
	}
	e := exchanges.Get().(*exchange)
	defer exchanges.Put(e)
	asked, ok := appendWire(e.asked[:0], q.Name)
	if !ok {
		return plugin.NextOrFailure(name, a.Next, ctx, w, r)
	}
	folded := appendFolded(e.folded[:0], asked)
	s := a.zones.find(folded)
	if q.Qtype == dns.TypeDS && len(folded) > 1 {
		if p := parents.find(ctx, folded); p != nil && above(p, s, folded) {
			s = p
		}
	}
	if s == nil {
		return plugin.NextOrFailure(name, a.Next, ctx, w, r)
	}
	e.read(w, r, asked)
	return dns.RcodeSuccess, s.respond(w, r, e)
}

// exchange is the memory of one question and its answer, used again and again.
type exchange struct {
	asked, folded [zone.MaxWire]byte // the name asked for, and in lower case
	query         answer.Query
	responder     answer.Responder
	response      []byte
}

var exchanges = sync.Pool{New: func() any { return &exchange{response: make([]byte, 0, 4096)} }}

// read sets the query of a request: the question and what bounds the answer.
func (e *exchange) read(w dns.ResponseWriter, r *dns.Msg, asked []byte) {
	q := &e.query
	*q = answer.Query{
		ID:     r.Id,
		Opcode: uint8(r.Opcode),
		RD:     r.RecursionDesired,
		CD:     r.CheckingDisabled,
		Name:   asked,
		Type:   r.Question[0].Qtype,
		Class:  r.Question[0].Qclass,
		Now:    time.Now().Unix(),
	}
	size := uint16(0)
	if opt := r.IsEdns0(); opt != nil {
		size = opt.UDPSize()
		q.EDNS, q.DO, q.UDPSize = true, opt.Do(), size
		for _, o := range opt.Option {
			if o.Option() == dns.EDNS0EXPIRE {
				q.Expire = true
			}
		}
	}
	q.MaxSize = dns.MaxMsgSize
	if !stream(w.RemoteAddr()) {
		q.MaxSize = int(edns.Size("udp", size))
	}
}

// stream reports whether a client is connected by a stream, on which a response
// has all the room there is.
func stream(a net.Addr) bool {
	if u, ok := a.(interface{ Unwrap() net.Addr }); ok {
		if inner := u.Unwrap(); inner != nil {
			a = inner
		}
	}
	_, ok := a.(*net.TCPAddr)
	return ok
}

// respond writes the response from the signed copy that is served, or that
// there is none yet.
func (s *signer) respond(w dns.ResponseWriter, r *dns.Msg, e *exchange) error {
	q, wire := &e.query, e.response[:0]
	switch v := s.served.Load(); {
	case q.Class != dns.ClassINET:
		wire = answer.AppendError(wire, q, dns.RcodeRefused, answer.NoEDE, "")
	case v == nil:
		wire = answer.AppendError(wire, q, dns.RcodeServerFailure, dns.ExtendedErrorCodeNotReady, s.excuse())
	default:
		wire, _ = e.responder.Append(wire, v.signed, q)
	}
	e.response = wire
	return write(w, r, wire)
}

// write sends a message. Where nobody between us and the client looks at
// messages its octets go out as they are; otherwise it is unpacked, so that
// plugins in front see what they expect.
func write(w dns.ResponseWriter, r *dns.Msg, wire []byte) error {
	if direct(w) && r.IsTsig() == nil {
		_, err := w.Write(wire)
		return err
	}
	m := new(dns.Msg)
	if err := m.Unpack(bytes.Clone(wire)); err != nil { // others may keep the message
		return plugin.Error(name, err)
	}
	m.Compress = true
	return w.WriteMsg(m)
}

// serverWriter is the type of the writer that miekg/dns hands to a server's
// handler. It is not exported, so it is known by its name when first seen.
var serverWriter atomic.Pointer[reflect.Type]

// direct reports whether w is the server's own writer, with nothing but
// CoreDNS's size limiter around it, which has nothing to do here.
func direct(w dns.ResponseWriter) bool {
	scrub, ok := w.(*request.ScrubWriter)
	if !ok {
		return false
	}
	t := reflect.TypeOf(scrub.ResponseWriter)
	if known := serverWriter.Load(); known != nil {
		return *known == t
	}
	if t == nil || t.Kind() != reflect.Pointer || t.Elem().Name() != "response" ||
		t.Elem().PkgPath() != "github.com/miekg/dns" {
		return false
	}
	known := t
	serverWriter.Store(&known)
	return true
}
