package sign

import (
	"bytes"

	"github.com/autosign-dns/autosign/plugin/zone"
)

// bucket signs bucket n of the NSEC3 chain.
func (e *engine) bucket(n int) error {
	p := e.plan
	b := p.chain.Buckets[n]
	d := &draft{wants: make([]want, 0, b.Len())}
	for i := range b.Len() {
		d.add(&p.schedule, p.schedule.nameHash(b.Hash(i)), zone.TypeNSEC3, p.in.Keys)
	}
	sigs := zone.NewSigsBuilder(len(d.wants), d.total, d.octets)
	for i, w := range d.wants {
		if err := e.nsec3(sigs, zone.Pos{Block: n, Name: i}, w); err != nil {
			return err
		}
	}
	signed := b.Signed(sigs.Sigs())
	signed.Expiry, signed.Due = d.expiry, d.due
	signed.Digest = p.digestBucket(signed)
	p.buckets[n] = signed
	return nil
}

// nsec3 fills the slot of the NSEC3 record at pos.
func (e *engine) nsec3(sigs *zone.SigsBuilder, pos zone.Pos, w want) error {
	defer sigs.Close()
	p := e.plan
	e.rd = p.chain.AppendRData(e.rd[:0], pos)
	had, slot := e.nsec3Before(p.chain.Buckets[pos.Block].Hash(pos.Name))
	fresh := func() {
		e.key = e.key[:0] // the owner is no name of the zone
		e.name = p.chain.AppendOwner(e.name[:0], pos, p.origin)
		e.begin(len(e.name) + 10 + len(e.rd))
		e.record(zone.TypeNSEC3, p.negative, e.rd)
		e.name = e.name[:0]
	}
	return e.slot(sigs, w, had, slot, fresh, rrset{zone.TypeNSEC3, p.zone.OwnerLabels(nil) + 1, p.negative})
}

// nsec3Before finds the signatures of the previous version over the NSEC3
// record in e.rd; nil if it did not have this very record.
func (e *engine) nsec3Before(hash []byte) (had *zone.Sigs, slot int) {
	p := e.plan
	if p.prev == nil || p.prev.NSEC3 == nil || p.prev.NSEC3.Count == 0 || p.prev.NegativeTTL != p.negative {
		return nil, 0
	}
	at, match := p.prev.NSEC3.Find(hash)
	if !match {
		return nil, 0
	}
	e.data = p.prev.NSEC3.AppendRData(e.data[:0], at)
	if !bytes.Equal(e.data, e.rd) {
		return nil, 0
	}
	return &p.prev.NSEC3.Buckets[at.Block].Sigs, at.Name
}
