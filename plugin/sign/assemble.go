package sign

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/autosign-dns/autosign/plugin/zone"
)

// Assemble puts the jobs' results together. The SOA record is still the
// source's and unsigned; Digest, Expiry and Due are set and count with the
// signature that Seal will make.
//
// A Digest equal to the previous version's means that there is nothing new to
// publish. It covers the SOA record but for its serial.
func (p *Plan) Assemble() (*zone.Signed, error) {
	if slices.Contains(p.blocks, nil) || slices.Contains(p.buckets, nil) {
		return nil, fmt.Errorf("%s: assembling the signed zone: a job is missing or has failed", zone.Text(p.origin))
	}
	s := &zone.Signed{Zone: p.zone, Blocks: p.blocks, NegativeTTL: p.negative, Basis: p.basis, Unsigned: p.in.Unsigned}
	for _, k := range p.in.Keys {
		s.Keys = append(s.Keys, k.SigningKey)
	}
	for _, b := range s.Blocks {
		s.Signatures += b.Total()
		s.Expiry = earlier(s.Expiry, b.Expiry)
		s.Due = earlier(s.Due, b.Due)
	}
	if p.chain != nil {
		chain := *p.chain
		chain.Buckets = p.buckets
		s.NSEC3 = &chain
		for _, b := range p.buckets {
			s.Signatures += b.Total()
			s.Expiry = earlier(s.Expiry, b.Expiry)
			s.Due = earlier(s.Due, b.Due)
		}
	}
	if p.in.ZSKOnly {
		s.DNSKEYSigs = p.in.Zone.Presigned.RRSIGs
		s.Signatures += len(s.DNSKEYSigs)
		s.Expiry = earlier(s.Expiry, p.presignedExpiry)
	}
	s.Digest = p.digestZone(s)
	return s, nil
}

// Seal returns an assembled zone with its serial and with the SOA record signed.
func (p *Plan) Seal(s *zone.Signed, serial uint32) (*zone.Signed, error) {
	rdata, ttl := s.SOA()
	rdata = bytes.Clone(rdata)
	binary.BigEndian.PutUint32(rdata[len(rdata)-20:], serial)
	sealed := *s
	sealed.Serial = serial
	sealed.Zone = s.Zone.WithApex([]zone.ApexSet{{Type: zone.TypeSOA, TTL: ttl, RData: [][]byte{rdata}}})
	sealed.Blocks = slices.Clone(s.Blocks)
	apex, err := p.sealApex(s.Blocks[0], sealed.Zone.Blocks()[0])
	if err != nil {
		return nil, err
	}
	sealed.Blocks[0] = apex
	sealed.Signatures += apex.Total() - s.Blocks[0].Total()
	return &sealed, nil
}

// sealApex returns the apex with its final SOA record signed; everything else
// is as in old.
func (p *Plan) sealApex(old *zone.SignedBlock, b *zone.Block) (*zone.SignedBlock, error) {
	e := &engine{plan: p}
	w, _ := p.schedule.place(p.schedule.nameHash(nil), zone.TypeSOA)
	soa := b.FindSet(0, zone.TypeSOA)
	sigs := zone.NewSigsBuilder(old.Slots(), old.Total()+int(w.keys), 0)
	for slot := range old.Slots() {
		if slot != soa {
			from, to := old.Range(slot)
			for n := from; n < to; n++ {
				sigs.Add(old.At(n))
			}
			sigs.Close()
			continue
		}
		set := b.Set(soa)
		fresh := func() {
			e.owner(nil)
			e.set(set)
		}
		if err := e.slot(sigs, w, nil, 0, fresh, rrset{set.Type, p.zone.OwnerLabels(nil), set.TTL}); err != nil {
			return nil, err
		}
		sigs.Close()
	}
	p.sealed += e.made
	return &zone.SignedBlock{Block: b, Sigs: sigs.Sigs(), Digest: old.Digest, Expiry: old.Expiry, Due: old.Due}, nil
}
