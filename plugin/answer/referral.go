package answer

import (
	"bytes"

	"github.com/autosign-dns/autosign/plugin/denial"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// delegation answers for a name at or below a cut with a referral: the NS set of
// the cut, with DO also its DS set or the proof that there is none (RFC 4035
// section 3.1.4).
func (r *responder) delegation(name *owner, key []byte, f found) {
	r.res.Kind = Referral
	r.cut = f.at
	b := r.s.At(f.at)
	o := name.above(zone.Labels(key[f.encloser:]))
	for _, typ := range [...]uint16{zone.TypeNS, zone.TypeDS} {
		j := b.FindSet(f.at.Name, typ)
		if j < 0 || typ == zone.TypeDS && !r.dnssec {
			continue
		}
		m := r.mark()
		if !r.set(authoritySection, &o, r.signedSet(f.at, j, maxTTL)) {
			r.truncate(m)
			return
		}
	}
	if r.dnssec && b.Flags(f.at.Name)&zone.Secure == 0 {
		r.proofs.add(denial.NoDS(r.s, f.at))
	}
}

// glue adds the addresses of the name servers of the cut that a resolver could
// not find otherwise: those at or below the cut, without which the message
// counts as truncated (RFC 9471 section 3), then those at or below other cuts
// while there is room.
func (r *responder) glue() {
	b := r.s.At(r.cut)
	set := b.Set(b.FindSet(r.cut.Name, zone.TypeNS))
	siblings := false
	for target := range set.RData {
		at, glue, inDomain := r.glueAt(target)
		siblings = siblings || glue && !inDomain
		if inDomain && !r.addressSets(target, at) {
			r.res.Truncated = true
			return
		}
	}
	if !siblings {
		return
	}
	for target := range set.RData {
		if at, glue, inDomain := r.glueAt(target); glue && !inDomain {
			r.addressSets(target, at)
		}
	}
}

// glueAt returns where the zone has the addresses of a name server as glue: at
// a cut or below one. inDomain says that it is the cut of the referral.
func (r *responder) glueAt(target []byte) (at zone.Pos, glue, inDomain bool) {
	at, ok := r.server(target)
	if !ok || r.s.At(at).Flags(at.Name)&(zone.Cut|zone.BelowCut) == 0 {
		return at, false, false
	}
	cut := r.s.At(r.cut).Key(r.cut.Name)
	return at, true, bytes.HasPrefix(r.s.At(at).Key(at.Name), cut)
}

// apexAddresses adds the addresses of the zone's own name servers, as far as
// they are in it and there is room: what a priming query wants to know (RFC
// 9609 section 4.2).
func (r *responder) apexAddresses() {
	set, _ := r.s.ApexSet(zone.TypeNS)
	for target := range set.RData {
		if at, ok := r.server(target); ok && r.s.At(at).Flags(at.Name)&zone.BelowRedirect == 0 {
			r.addressSets(target, at)
		}
	}
}

// server returns where the name of a name server stands in the zone.
func (r *responder) server(target []byte) (at zone.Pos, ok bool) {
	if nameLen(target) != len(target) {
		return at, false
	}
	key, ok := r.s.Key(r.key[:0], target)
	if !ok {
		return at, false
	}
	return r.s.Find(key)
}

// addressSets adds the A and AAAA sets at a position to the additional section.
// It reports whether they fit.
func (r *responder) addressSets(target []byte, at zone.Pos) bool {
	b := r.s.At(at)
	o := owner{wire: target}
	for _, typ := range [...]uint16{typeA, typeAAAA} {
		j := b.FindSet(at.Name, typ)
		if j < 0 {
			continue
		}
		m := r.mark()
		if !r.set(additionalSection, &o, r.signedSet(at, j, maxTTL)) {
			r.undo(m)
			return false
		}
	}
	return true
}
