package answer

import "github.com/autosign-dns/autosign/plugin/zone"

// maxChain bounds the names that one answer goes through when it follows
// aliases inside the zone; what is left is the resolver's.
const maxChain = 16

// Append appends a response as Responder.Append does, with memory of its own.
func Append(dst []byte, s *zone.Signed, q *Query) ([]byte, Result) {
	var r Responder
	return r.Append(dst, s, q)
}

// Responder is the memory that one response takes to make. It can be used for
// one after the other, not for two at once. It is large: on the stack of a
// goroutine that lives for one question it would make that stack grow, which
// costs more than the response.
type Responder struct{ r responder }

// Append appends to dst the response to q from the signed zone s, and says what
// it is. The question's name has to be at or below the zone's origin, its class
// IN; otherwise the response is REFUSED. Nothing of dst, s and q is kept.
func (m *Responder) Append(dst []byte, s *zone.Signed, q *Query) ([]byte, Result) {
	r := &m.r
	r.reset()
	r.s, r.q = s, *q
	r.dnssec = q.DO && !s.Unsigned
	msg, res := r.respond(dst, q)
	r.reset()
	return msg, res
}

// respond makes the response.
func (r *responder) respond(dst []byte, q *Query) ([]byte, Result) {
	reserve := 0
	if q.EDNS {
		reserve = optLen
		if q.Expire {
			reserve += expireLen
		}
	}
	r.begin(dst, q, reserve)
	if r.res.Rcode = refuse(q); r.res.Rcode == rcodeSuccess {
		r.answer()
		r.authority()
	}
	flags := uint16(0)
	if r.authoritative {
		flags |= flagAA
	}
	if r.res.Truncated {
		flags |= flagTC
	}
	if q.EDNS {
		r.edns()
	}
	return r.finish(&r.q, flags, r.res.Rcode), r.res
}

// refuse returns the response code for a question that is none about zone data
// (RFC 6895 section 3.1), or success. Transfers are not answered here.
func refuse(q *Query) int {
	const ixfr, maila = 251, 254
	switch {
	case q.Opcode != 0:
		return rcodeNotImp
	case len(q.Name) == 0:
		return rcodeFormErr
	case q.Class != classIN:
		return rcodeRefused
	case q.Type == typeANY || q.Type > 255 || q.Type < 128 && q.Type != 0 && q.Type != typeOPT:
		return rcodeSuccess
	case q.Type >= ixfr && q.Type <= maila:
		return rcodeNotImp
	}
	return rcodeFormErr
}

// responder makes one response.
type responder struct {
	message
	progress
	proofs proofs
	given  given

	key     [zone.MaxKey + 4]byte // of the name at hand
	wild    [zone.MaxKey + 4]byte // of the wildcard that may answer for it
	targets [2][zone.MaxWire]byte // made from DNAMEs, by turns
	scratch [zone.MaxWire]byte
}

// progress is what is known of a response so far.
type progress struct {
	s   *zone.Signed
	q   Query
	res Result

	dnssec        bool // DNSSEC records are wanted, and there are some
	authoritative bool
	soaAnswer     bool     // the answer is the zone's SOA
	addresses     bool     // the answer is the apex NS set: addresses go with it
	negative      bool     // the SOA goes into the authority section
	cut           zone.Pos // of a referral
}

// reset makes the responder ready for the next response. Lists are only
// emptied: what stands in them behind their length is never read.
func (r *responder) reset() {
	r.buf, r.counts = nil, [4]uint16{}
	r.names.n, r.proofs.n, r.given.n = 0, 0, 0
	r.progress = progress{}
}

// answer goes through the question's name and the aliases it leads to.
func (r *responder) answer() {
	name := owner{r.q.Name, headerLen}
	if name.wire[0] == 0 {
		name.at = 0
	}
	for n := range maxChain {
		key, ok := r.s.Key(r.key[:0], name.wire)
		if !ok {
			if n == 0 {
				r.res.Rcode = rcodeRefused
			}
			return
		}
		next := r.step(&name, key, n)
		if next == nil {
			return
		}
		name = owner{wire: next}
	}
}

// step answers for one name, the n-th. When that is an alias it returns the
// name to go on with, nil where the answer ends.
func (r *responder) step(name *owner, key []byte, n int) (next []byte) {
	f := r.find(key)
	if f.outcome != delegated {
		r.authoritative = true
	}
	switch f.outcome {
	case delegated:
		r.delegation(name, key, f)
	case redirected:
		return r.redirect(name, key, f, n)
	case exists:
		return r.exact(name, f.at)
	case expanded:
		return r.wildcard(name, key, f)
	case missing:
		r.nameError(key, f)
	}
	return nil
}

// outcome is where the search for a name ended.
type outcome uint8

const (
	missing    outcome = iota // nowhere
	exists                    // at the name itself
	expanded                  // at the wildcard that stands for it
	delegated                 // at a cut at or above it
	redirected                // at a DNAME above it
)

// found is the end of the search for a name.
type found struct {
	outcome  outcome
	at       zone.Pos // of the name, its wildcard, the cut or the DNAME
	before   zone.Pos // what Zone.Find gave
	encloser int      // length of the key of the closest encloser, cut or DNAME
}

// find searches for a name (RFC 1034 section 4.3.2 step 3, RFC 4592 section 3.3).
func (r *responder) find(key []byte) (f found) {
	p, exact := r.s.Find(key)
	f.at, f.before, f.encloser = p, p, len(key)
	b := r.s.At(p)
	flags := b.Flags(p.Name)
	if !exact {
		before := b.Key(p.Name)
		if f.encloser = zone.Common(key, before); f.encloser != len(before) {
			f.at, flags = r.ancestor(key[:f.encloser])
		}
	}
	for flags&zone.Occluded != 0 {
		f.encloser = len(zone.Parent(key[:f.encloser]))
		f.at, flags = r.ancestor(key[:f.encloser])
	}
	switch {
	case flags&zone.Cut != 0 && (f.encloser < len(key) || !r.aboveCut()):
		f.outcome = delegated
	case f.encloser == len(key):
		f.outcome = exists
	case flags&zone.Redirect != 0:
		f.outcome = redirected
	case flags&zone.HasWildcard != 0:
		f.outcome = expanded
		f.at, _ = r.s.Find(zone.AppendWildcard(r.wild[:0], key[:f.encloser]))
	}
	return f
}

// aboveCut reports whether the parent's side of a cut answers for the type
// asked for (RFC 4035 section 3.1.4.1).
func (r *responder) aboveCut() bool {
	return r.q.Type == zone.TypeDS || r.q.Type == zone.TypeNSEC && r.s.HasNSEC()
}

// ancestor returns where an ancestor of a name stands, and what it is. One that
// is in no block owns nothing and has only occluded names below: it is occluded
// too.
func (r *responder) ancestor(key []byte) (zone.Pos, zone.Flags) {
	p, exact := r.s.Find(key)
	if !exact {
		return p, zone.BelowCut
	}
	return p, r.s.At(p).Flags(p.Name)
}
