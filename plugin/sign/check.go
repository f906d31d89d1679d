package sign

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"slices"

	"github.com/autosign-dns/autosign/plugin/denial"
	"github.com/autosign-dns/autosign/plugin/key"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// maxGenerations bounds the generations that live at the same time.
const maxGenerations = 2

// checkKeys reports keys that cannot stand beside each other or cannot sign:
// equal tags, and private parts that are not those of the DNSKEY record.
func (p *Plan) checkKeys() error {
	var errs []error
	for i := range p.in.Keys {
		k := &p.in.Keys[i]
		if other := slices.IndexFunc(p.in.Keys[:i], func(o Key) bool { return o.Tag == k.Tag }); other >= 0 {
			errs = append(errs, fmt.Errorf("keys of algorithms %d and %d have the same tag %d",
				p.in.Keys[other].Algorithm, k.Algorithm, k.Tag))
		}
		if k.Signer == nil { // a foreign key may be of any kind
			continue
		}
		public, err := key.FromDNSKEY(k.DNSKEY)
		if err != nil {
			errs = append(errs, fmt.Errorf("key %d: %w", k.Tag, err))
			continue
		}
		if k.Tag != public.Tag || k.Algorithm != uint8(public.Algorithm) || k.Size != public.SignatureSize() {
			errs = append(errs, fmt.Errorf("key %d: the DNSKEY record is not of this key", k.Tag))
		}
		if !samePublic(public, k.Signer) {
			errs = append(errs, fmt.Errorf("key %d: the private key does not belong to the DNSKEY record", k.Tag))
		}
	}
	return errors.Join(errs...)
}

func samePublic(k key.Key, s crypto.Signer) bool {
	want, err := k.PublicKey()
	if err != nil {
		return false
	}
	public, ok := want.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(s.Public())
}

func (p *Plan) checkGenerations() error {
	gens := p.in.Generations
	if len(gens) == 0 || len(gens) > maxGenerations {
		return fmt.Errorf("%d generations of keys; one or two can live", len(gens))
	}
	if len(gens) == 2 && gens[1].Since.Before(gens[0].Since) {
		return errors.New("the generations of keys are not in the order of their time")
	}
	var errs []error
	for _, g := range gens {
		validities := []struct {
			of    string
			value int64
		}{
			{"signatures", seconds(policy.Period(g.Validity, g.Refresh))},
			{"DNSKEY signatures", seconds(policy.Period(g.ValidityDNSKEY, g.Refresh))},
		}
		for _, v := range validities {
			if v.value <= 0 {
				errs = append(errs, fmt.Errorf("the validity of %s is not more than their refresh", v.of))
			}
		}
		errs = append(errs, p.checkSigners("the zone", g.ZoneSigners))
	}
	if !p.in.ZSKOnly {
		errs = append(errs, p.checkSigners("the DNSKEY set", p.in.DNSKEYSigners), p.checkRevoked())
	}
	return errors.Join(errs...)
}

// checkRevoked reports revoked keys that would do more than say that they are, or
// not even that (RFC 5011 section 2.1).
func (p *Plan) checkRevoked() error {
	var errs []error
	signers := p.in.DNSKEYSigners
	revoked := func(n int) bool { return n >= 0 && n < len(p.in.Keys) && p.in.Keys[n].revoked() }
	if len(signers) > 0 && !slices.ContainsFunc(signers, func(n int) bool { return !revoked(n) }) {
		errs = append(errs, errors.New("all keys that sign the DNSKEY set are revoked"))
	}
	for i := range p.in.Keys {
		if p.in.Keys[i].Published && revoked(i) && !slices.Contains(signers, i) {
			errs = append(errs, fmt.Errorf("key %d is revoked and does not sign the DNSKEY set", p.in.Keys[i].Tag))
		}
	}
	for _, g := range p.in.Generations {
		if i := slices.IndexFunc(g.ZoneSigners, revoked); i >= 0 {
			errs = append(errs, fmt.Errorf("key %d is revoked and cannot sign the zone", p.in.Keys[g.ZoneSigners[i]].Tag))
		}
	}
	return errors.Join(errs...)
}

func (p *Plan) checkSigners(what string, signers []int) error {
	if len(signers) == 0 {
		return fmt.Errorf("no key signs %s", what)
	}
	for _, n := range signers {
		if n < 0 || n >= len(p.in.Keys) {
			return fmt.Errorf("no key number %d to sign %s", n, what)
		}
		if p.in.Keys[n].Signer == nil {
			return fmt.Errorf("the private part of key %d, which signs %s, is not at hand", p.in.Keys[n].Tag, what)
		}
	}
	return nil
}

// checkUnsigned reports what an unsigned zone has no place for.
func (p *Plan) checkUnsigned() error {
	in := &p.in
	if len(in.Keys)+len(in.Generations)+len(in.DNSKEYSigners)+len(in.CDS)+len(in.CDNSKEY) > 0 || in.ZSKOnly {
		return errors.New("an unsigned zone has neither keys nor CDS nor CDNSKEY")
	}
	return nil
}

// syncSigners returns the keys that sign CDS and CDNSKEY: those that sign DNSKEY,
// but for revoked ones (RFC 7344 section 4.1, RFC 5011 section 2.1); and, for an
// algorithm that comes or goes, of which none does, those that sign the zone:
// its signatures are first in and last out here, too (RFC 6781 section 4.1.4).
func (p *Plan) syncSigners() (list []uint16) {
	var algorithms [256]bool
	for _, n := range p.in.DNSKEYSigners {
		if k := &p.in.Keys[n]; !k.revoked() {
			list = append(list, uint16(n))
			algorithms[k.Algorithm] = true
		}
	}
	if len(p.in.Generations) == 0 {
		return list
	}
	for _, n := range p.in.Generations[len(p.in.Generations)-1].ZoneSigners {
		if !algorithms[p.in.Keys[n].Algorithm] {
			list = append(list, uint16(n))
		}
	}
	return list
}

func (p *Plan) newSchedule() schedule {
	s := schedule{now: p.in.Now.Unix(), seed: hashOctets(hashSeed, p.origin), apexs: numbers(p.in.DNSKEYSigners)}
	s.syncs = p.syncSigners()
	for _, g := range p.in.Generations {
		s.gens = append(s.gens, generation{
			since:   g.Since.Unix(),
			zone:    newCadence(p.origin, g.Validity, g.Refresh),
			dnskey:  newCadence(p.origin, g.ValidityDNSKEY, g.Refresh),
			signers: numbers(g.ZoneSigners),
		})
	}
	return s
}

func numbers(list []int) []uint16 {
	short := make([]uint16, len(list))
	for i, n := range list {
		short[i] = uint16(n)
	}
	return short
}

// paramTTL is the TTL of NSEC3PARAM: nobody but the zone's own servers uses it
// (RFC 5155 section 4), so it need not be cached. BIND's choice too.
const paramTTL = 0

// apexSets returns what signing puts at the apex, and what it takes away.
func (p *Plan) apexSets() ([]zone.ApexSet, error) {
	dnskey, err := p.dnskeySet()
	if err != nil {
		return nil, err
	}
	cds := zone.ApexSet{Type: zone.TypeCDS, TTL: p.in.DNSKEYTTL, RData: sorted(p.in.CDS)}
	cdnskey := zone.ApexSet{Type: zone.TypeCDNSKEY, TTL: p.in.DNSKEYTTL, RData: sorted(p.in.CDNSKEY)}
	param := zone.ApexSet{Type: zone.TypeNSEC3PARAM, TTL: paramTTL}
	if p.in.Denial.NSEC3 {
		if len(p.in.Salt) > 255 {
			return nil, fmt.Errorf("nsec3: a salt of %d octets; 255 is the most (RFC 5155 section 3.1.4)", len(p.in.Salt))
		}
		param.RData = [][]byte{denial.AppendParam(nil, p.in.Denial.Iterations, p.in.Salt)}
	}
	return []zone.ApexSet{dnskey, cds, cdnskey, param}, nil
}

// dnskeySet returns the DNSKEY set: none in an unsigned zone, the source's where
// only ZSKs are at hand, else the keys that are published.
func (p *Plan) dnskeySet() (set zone.ApexSet, err error) {
	set = zone.ApexSet{Type: zone.TypeDNSKEY, TTL: p.in.DNSKEYTTL}
	switch {
	case p.in.Unsigned:
		return set, nil
	case p.in.ZSKOnly && len(p.in.CDS)+len(p.in.CDNSKEY) > 0:
		return set, errors.New("no key signs CDS and CDNSKEY: only ZSKs are at hand (RFC 7344 section 4.1)")
	case p.in.ZSKOnly:
		if err := p.checkPresigned(); err != nil {
			return set, err
		}
		set.TTL, set.RData = p.in.Zone.Presigned.TTL, p.in.Zone.Presigned.Keys
		return set, nil
	}
	for _, k := range p.in.Keys {
		if k.Published {
			set.RData = append(set.RData, k.DNSKEY)
		}
	}
	if set.RData = sorted(set.RData); len(set.RData) == 0 {
		return set, errors.New("no key is published")
	}
	return set, nil
}

// sorted returns RDATA in canonical order without duplicates (RFC 4034 section 6.3).
func sorted(rdata [][]byte) [][]byte {
	list := slices.Clone(rdata)
	slices.SortFunc(list, bytes.Compare)
	return slices.CompactFunc(list, bytes.Equal)
}
