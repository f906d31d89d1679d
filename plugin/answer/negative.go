package answer

import (
	"encoding/binary"

	"github.com/autosign-dns/autosign/plugin/denial"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// proofs are the denial records of a response, each once: positions in the
// zone, or in its NSEC3 chain.
type proofs struct {
	n    int
	list [3 * (maxChain + 1)]zone.Pos
}

// add takes the records of one proof.
func (p *proofs) add(d denial.Proof) {
next:
	for _, at := range d.At[:d.N] {
		for _, known := range p.list[:p.n] {
			if known == at {
				continue next
			}
		}
		p.list[p.n] = at
		p.n++
	}
}

// noData answers for a name that exists without the type asked for.
func (r *responder) noData(at zone.Pos) {
	r.negative = true
	r.res.Kind = NoData
	if r.dnssec {
		r.proofs.add(denial.NoData(r.s, at))
	}
}

// nameError answers for a name that does not exist. At the end of a chain of
// aliases that is the response code of the whole (RFC 6604 section 3).
func (r *responder) nameError(key []byte, f found) {
	r.negative = true
	r.res.Kind = NameError
	r.res.Rcode = rcodeNXDomain
	if r.dnssec {
		r.proofs.add(denial.NameError(r.s, key, f.before, f.encloser))
	}
}

// authority fills the sections after the answer; of a referral the NS set is
// there already.
func (r *responder) authority() {
	if r.res.Truncated || r.negative && !r.soa() || !r.denial() {
		return
	}
	switch {
	case r.res.Kind == Referral:
		r.glue()
	case r.addresses:
		r.apexAddresses()
	}
}

// soa adds the zone's SOA to the authority section, its TTL at most the zone's
// negative TTL (RFC 2308 section 3).
func (r *responder) soa() bool {
	var apex zone.Pos
	j := r.s.At(apex).FindSet(0, zone.TypeSOA)
	rd, ttl := r.s.SOA()
	if len(rd) >= 4 {
		ttl = min(ttl, binary.BigEndian.Uint32(rd[len(rd)-4:]))
	}
	m, o := r.mark(), r.apex()
	if !r.set(authoritySection, &o, r.signedSet(apex, j, ttl)) {
		r.truncate(m)
		return false
	}
	return true
}

// apex returns the zone's name as the end of the question's.
func (r *responder) apex() owner {
	n := len(r.q.Name) - len(r.s.Origin())
	o := owner{wire: r.q.Name[n:]}
	if len(o.wire) > 1 {
		o.at = uint16(headerLen + n)
	}
	return o
}

// denial adds the proofs to the authority section.
func (r *responder) denial() bool {
	for _, at := range r.proofs.list[:r.proofs.n] {
		m, fits := r.mark(), false
		if r.s.NSEC3 != nil {
			o := owner{wire: r.s.NSEC3.AppendOwner(r.scratch[:0], at, r.s.Origin())}
			fits = r.nsec3(authoritySection, &o, at)
		} else {
			o := owner{wire: r.s.AppendName(r.scratch[:0], at)}
			fits = r.nsec(authoritySection, &o, at)
		}
		if !fits {
			r.truncate(m)
			return false
		}
	}
	return true
}
