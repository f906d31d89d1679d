package denial

import (
	"bytes"

	"github.com/autosign-dns/autosign/plugin/zone"
)

// Proof is the set of denial records that belongs into one answer: positions of
// names in Signed.Blocks, or of hashes in Signed.NSEC3, each at most once, in
// the order in which they are sent.
type Proof struct {
	At [3]zone.Pos
	N  int
}

// add takes one more position, unless it is there.
func (p *Proof) add(at zone.Pos) {
	for i := range p.N {
		if p.At[i] == at {
			return
		}
	}
	p.At[p.N] = at
	p.N++
}

// NoData proves that a name that exists, an empty non-terminal perhaps, lacks a
// type (RFC 4035 section 3.1.3.1, RFC 5155 sections 7.2.3 and 7.2.4).
func NoData(s *zone.Signed, at zone.Pos) (p Proof) {
	if s.NSEC3 == nil {
		p.add(covering(s, at))
		return p
	}
	key := s.At(at).Key(at.Name)
	if pos, match := find(s, key); match {
		p.add(pos)
		return p
	}
	// Left out of the chain by opt-out.
	p.closestProvable(s, key)
	return p
}

// NoDS proves that the delegation at a cut has no DS: for referrals and for
// DS questions (RFC 4035 section 3.1.4.1, RFC 5155 sections 7.2.4 and 7.2.7).
func NoDS(s *zone.Signed, cut zone.Pos) Proof { return NoData(s, cut) }

// NameError proves that neither the name with that key nor a wildcard for it
// exists (RFC 4035 section 3.1.3.2, RFC 5155 section 7.2.2). before is the
// position that Zone.Find gave for key, key[:encloser] the key of the closest
// encloser (RFC 4592 section 3.3.1).
func NameError(s *zone.Signed, key []byte, before zone.Pos, encloser int) (p Proof) {
	var buf [zone.MaxKey + 4]byte
	if s.NSEC3 == nil {
		p.add(covering(s, before))
		wild := zone.AppendWildcard(buf[:0], key[:encloser])
		at := before
		if bytes.Compare(wild, key) >= 0 || bytes.Compare(s.At(before).Key(before.Name), wild) > 0 {
			at, _ = s.Find(wild)
		}
		p.add(covering(s, at))
		return p
	}
	ce := p.closestProvable(s, key[:nextCloser(key, encloser)])
	at, _ := find(s, zone.AppendWildcard(buf[:0], key[:ce]))
	p.add(at)
	return p
}

// WildcardAnswer proves that the name itself does not exist, for an answer made
// from a wildcard (RFC 4035 section 3.1.3.3, RFC 5155 section 7.2.6).
func WildcardAnswer(s *zone.Signed, key []byte, before zone.Pos, encloser int) (p Proof) {
	if s.NSEC3 == nil {
		p.add(covering(s, before))
		return p
	}
	at, _ := find(s, key[:nextCloser(key, encloser)])
	p.add(at)
	return p
}

// WildcardNoData proves that the name does not exist and that the wildcard at
// wild, which would answer for it, lacks the type (RFC 4035 section 3.1.3.4,
// RFC 5155 section 7.2.5).
func WildcardNoData(s *zone.Signed, key []byte, before zone.Pos, encloser int, wild zone.Pos) (p Proof) {
	if s.NSEC3 == nil {
		p.add(covering(s, before))
		p.add(covering(s, wild))
		return p
	}
	p.closestProvable(s, key[:nextCloser(key, encloser)])
	at, _ := find(s, s.At(wild).Key(wild.Name))
	p.add(at)
	return p
}

// closestProvable adds the closest provable encloser proof (RFC 5155 section
// 7.2.1) for the name with that key, which has no hash of its own: the hash of
// its nearest ancestor that has one, and the one that covers the name below.
// It returns the length of that ancestor's key.
func (p *Proof) closestProvable(s *zone.Signed, key []byte) int {
	for {
		covered, _ := find(s, key)
		key = zone.Parent(key)
		if at, match := find(s, key); match || len(key) == 0 {
			p.add(at)
			p.add(covered)
			return len(key)
		}
	}
}

// nextCloser returns the length of the next closer name's key (RFC 5155
// section 1.3): one label longer than the encloser.
func nextCloser(key []byte, encloser int) int {
	return encloser + bytes.IndexByte(key[encloser:], 0) + 1
}

// find looks a name up in the NSEC3 chain.
func find(s *zone.Signed, key []byte) (at zone.Pos, match bool) {
	var buf [zone.MaxWire]byte
	hash := HashName(zone.AppendWire(buf[:0], key, s.Origin()), s.NSEC3.Salt, s.NSEC3.Iterations)
	return s.NSEC3.Find(hash[:])
}

// covering returns the position of the last name not after p that has an NSEC.
func covering(s *zone.Signed, p zone.Pos) zone.Pos {
	for {
		b := s.At(p)
		switch f := b.Flags(p.Name); {
		case zone.InNSEC(f):
			return p
		case f&zone.Occluded != 0:
			// There may be any number of names below a cut or DNAME; the chain
			// goes on from that itself.
			p = occluder(s, b.Key(p.Name))
		default:
			p, _ = s.Prev(p)
		}
	}
}

// occluder returns the position of the cut or DNAME above an occluded name.
func occluder(s *zone.Signed, key []byte) (at zone.Pos) {
	for n := 0; ; n = nextCloser(key, n) {
		at, _ = s.Find(key[:n])
		if s.At(at).Flags(at.Name)&(zone.Cut|zone.Redirect) != 0 {
			return at
		}
	}
}
