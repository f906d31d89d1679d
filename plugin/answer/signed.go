package answer

import (
	"encoding/binary"

	"github.com/autosign-dns/autosign/plugin/zone"
)

const maxTTL = 1<<31 - 1

// signedSet is an RRset with its signatures, as it goes into a message.
type signedSet struct {
	set      zone.Set // without records for NSEC and NSEC3, which are made on the spot
	ttl      uint32   // capped, so that no cache keeps the set longer than its signatures last
	labels   uint8    // of the signatures
	sigs     *zone.Sigs
	from, to int
	foreign  [][]byte // RDATA of signatures made elsewhere
}

// signedSet returns set j of the block at a position. Its TTL is at most ttl.
func (r *responder) signedSet(at zone.Pos, j int, ttl uint32) (s signedSet) {
	b := r.s.Blocks[at.Block]
	s.set, s.sigs = b.Set(j), &b.Sigs
	s.from, s.to = b.SetSigs(j)
	if s.set.Type == zone.TypeDNSKEY && at == (zone.Pos{}) {
		s.foreign = r.s.DNSKEYSigs
	}
	if s.from < s.to || len(s.foreign) > 0 {
		s.labels = r.s.OwnerLabels(b.Key(at.Name))
	}
	s.ttl = r.lifetime(&s, min(ttl, s.set.TTL))
	return s
}

// signedNSEC returns the NSEC set of the name at a position.
func (r *responder) signedNSEC(at zone.Pos) (s signedSet) {
	b := r.s.Blocks[at.Block]
	s.set, s.sigs = zone.Set{Type: zone.TypeNSEC, TTL: r.s.NegativeTTL}, &b.Sigs
	s.from, s.to = b.NSECSigs(at.Name)
	s.labels = r.s.OwnerLabels(b.Key(at.Name))
	s.ttl = r.lifetime(&s, s.set.TTL)
	return s
}

// signedNSEC3 returns the NSEC3 set at a position of the chain.
func (r *responder) signedNSEC3(at zone.Pos) (s signedSet) {
	b := r.s.NSEC3.Buckets[at.Block]
	s.set, s.sigs = zone.Set{Type: zone.TypeNSEC3, TTL: r.s.NegativeTTL}, &b.Sigs
	s.from, s.to = b.Range(at.Name)
	s.labels = r.s.OwnerLabels(nil) + 1
	s.ttl = r.lifetime(&s, s.set.TTL)
	return s
}

// lifetime returns ttl, or what is left of the set's first signature to expire
// if that is less (RFC 4035 section 5.3.3 is the resolver's half of this).
func (r *responder) lifetime(s *signedSet, ttl uint32) uint32 {
	for k := s.from; k < s.to; k++ {
		ttl = r.cap(ttl, s.sigs.At(k).Expiration)
	}
	if len(s.foreign) == 0 {
		return ttl
	}
	valid := uint32(0) // what is left of foreign signatures; expired ones may stand beside others
	for _, rd := range s.foreign {
		if len(rd) < 12 {
			continue
		}
		left := r.cap(ttl, binary.BigEndian.Uint32(rd[8:]))
		if left > 0 && (valid == 0 || left < valid) {
			valid = left
		}
	}
	return valid
}

// cap returns ttl or the seconds left until expiration, whichever is less (RFC
// 4034 section 3.1.5: serial number arithmetic).
func (r *responder) cap(ttl, expiration uint32) uint32 {
	left := int32(expiration - uint32(r.q.Now))
	return min(ttl, uint32(max(left, 0)))
}

// set appends an RRset, with DO also its signatures. It reports whether all of
// it fits.
func (r *responder) set(section int, o *owner, s signedSet) bool {
	return r.records(section, o, s.set, s.ttl) && (!r.dnssec || r.setSigs(section, o, s))
}

// setSigs appends the signatures over an RRset.
func (r *responder) setSigs(section int, o *owner, s signedSet) bool {
	for k := s.from; k < s.to; k++ {
		r.record(o, zone.TypeRRSIG, s.ttl)
		at := len(r.buf)
		r.buf = r.s.AppendRRSIG(r.buf, s.sigs.At(k), s.set.Type, s.labels, s.set.TTL)
		if !r.endRecord(section, at) {
			return false
		}
	}
	for _, rd := range s.foreign {
		r.record(o, zone.TypeRRSIG, s.ttl)
		at := len(r.buf)
		r.buf = append(r.buf, rd...)
		if !r.endRecord(section, at) {
			return false
		}
	}
	return true
}

// nsec appends the NSEC record of the name at a position, as one of o, and its
// signatures.
func (r *responder) nsec(section int, o *owner, at zone.Pos) bool {
	s := r.signedNSEC(at)
	r.record(o, zone.TypeNSEC, s.ttl)
	start := len(r.buf)
	r.buf = r.s.AppendNSEC(r.buf, at)
	return r.endRecord(section, start) && (!r.dnssec || r.setSigs(section, o, s))
}

// nsec3 appends the NSEC3 record at a position of the chain and its signatures.
func (r *responder) nsec3(section int, o *owner, at zone.Pos) bool {
	s := r.signedNSEC3(at)
	r.record(o, zone.TypeNSEC3, s.ttl)
	start := len(r.buf)
	r.buf = r.s.NSEC3.AppendRData(r.buf, at)
	return r.endRecord(section, start) && (!r.dnssec || r.setSigs(section, o, s))
}

// truncate takes back an RRset that does not fit and must not be left out.
func (r *responder) truncate(to mark) {
	r.undo(to)
	r.res.Truncated = true
}
