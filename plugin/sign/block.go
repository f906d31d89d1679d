package sign

import (
	"bytes"
	"fmt"

	"github.com/autosign-dns/autosign/plugin/zone"
)

// none is the position of a name that a version does not have.
var none = zone.Pos{Block: -1}

// draft is what the signatures of a run of slots have to be.
type draft struct {
	wants       []want // a slot each
	total       int    // signatures
	octets      int    // of all signatures
	expiry, due int64
}

// add plans the next slot; typ 0 leaves it empty.
func (d *draft) add(s *schedule, name uint64, typ uint16, keys []Key) {
	if typ == 0 {
		d.wants = append(d.wants, want{})
		return
	}
	w, due := s.place(name, typ)
	d.wants = append(d.wants, w)
	for _, k := range s.signers(w.gen, typ) {
		d.total++
		d.octets += keys[k].Size
	}
	d.live(s, w, typ, due)
}

// later counts the times of an RRset that Seal will sign.
func (d *draft) later(s *schedule, name uint64, typ uint16) {
	w, due := s.place(name, typ)
	d.live(s, w, typ, due)
}

func (d *draft) live(s *schedule, w want, typ uint16, due int64) {
	if w.keys > 0 {
		d.expiry = earlier(d.expiry, w.at+s.validity(w.gen, typ))
		d.due = earlier(d.due, due)
	}
}

// block signs block n: signatures that the previous version has are taken over,
// the rest is made.
func (e *engine) block(n int) error {
	p := e.plan
	b := p.zone.Blocks()[n]
	d := p.draft(b)
	old := p.previousBlock(b)
	if old != nil && p.stillGood(n, old, d.wants) {
		shared := *old
		shared.Expiry, shared.Due = d.expiry, d.due
		p.blocks[n] = &shared
		return nil
	}
	before := p.namesBefore(b)
	sigs := zone.NewSigsBuilder(len(d.wants), d.total, d.octets)
	for i := range b.Len() {
		if err := e.sets(sigs, b, i, before[i], d.wants); err != nil {
			return err
		}
	}
	for i := range b.Len() {
		if err := e.nsec(sigs, zone.Pos{Block: n, Name: i}, before[i], d.wants[b.NumSets()+i]); err != nil {
			return err
		}
	}
	signed := &zone.SignedBlock{Block: b, Sigs: sigs.Sigs(), Expiry: d.expiry, Due: d.due}
	signed.Digest = p.digestBlock(signed)
	p.blocks[n] = signed
	return nil
}

// draft plans the slots of a block: those of the sets, then those of the NSEC
// records. The SOA's stays empty for Seal, but its times count.
func (p *Plan) draft(b *zone.Block) *draft {
	if p.in.Unsigned {
		return &draft{wants: make([]want, b.NumSets()+b.Len()), expiry: zone.Never, due: zone.Never}
	}
	d := &draft{wants: make([]want, 0, b.NumSets()+b.Len())}
	hashes := make([]uint64, b.Len())
	for i := range b.Len() {
		hashes[i] = p.schedule.nameHash(b.Key(i))
		from, to := b.Sets(i)
		for j := from; j < to; j++ {
			typ := b.SetType(j)
			if !zone.Authoritative(b.Flags(i), typ) || typ == zone.TypeDNSKEY && p.in.ZSKOnly && len(b.Key(i)) == 0 {
				typ = 0
			}
			if typ == zone.TypeSOA {
				d.later(&p.schedule, hashes[i], typ)
				typ = 0
			}
			d.add(&p.schedule, hashes[i], typ, p.in.Keys)
		}
	}
	for i := range b.Len() {
		typ := uint16(0)
		if p.chain == nil && zone.InNSEC(b.Flags(i)) {
			typ = zone.TypeNSEC
		}
		d.add(&p.schedule, hashes[i], typ, p.in.Keys)
	}
	return d
}

// stillGood reports whether the signatures over an unchanged block, in its new
// place n, are all that is wanted.
func (p *Plan) stillGood(n int, old *zone.SignedBlock, wants []want) bool {
	if !p.sameKeys || p.prev.NegativeTTL != p.negative || !p.sameSuccessor(n, p.prevAt[old.Block]) || old.Slots() != len(wants) {
		return false
	}
	for slot, w := range wants {
		typ := uint16(zone.TypeNSEC)
		if slot < old.NumSets() {
			typ = old.SetType(slot)
		}
		if !p.hasAll(&old.Sigs, slot, w, typ) {
			return false
		}
	}
	return true
}

// hasAll reports whether a slot of the previous version holds just the
// signatures that are wanted, in their order.
func (p *Plan) hasAll(sigs *zone.Sigs, slot int, w want, typ uint16) bool {
	from, to := sigs.Range(slot)
	if to-from != int(w.keys) {
		return false
	}
	if w.keys == 0 {
		return true
	}
	for n, k := range p.schedule.signers(w.gen, typ) {
		g := sigs.At(from + n)
		if p.prevKeys[g.Key] != int(k) || g.Inception != p.inception(w) || g.Expiration != p.expiration(w, typ) {
			return false
		}
	}
	return true
}

func (p *Plan) inception(w want) uint32 { return uint32(w.at - backdate) }

func (p *Plan) expiration(w want, typ uint16) uint32 {
	return uint32(w.at + p.schedule.validity(w.gen, typ))
}

// namesBefore finds the names of a block in the previous version.
func (p *Plan) namesBefore(b *zone.Block) []zone.Pos {
	before := make([]zone.Pos, b.Len())
	if p.prev == nil {
		for i := range before {
			before[i] = none
		}
		return before
	}
	at, _ := p.prev.Find(b.Key(0))
	ok := true
	for i := range before {
		key, order := b.Key(i), -1
		for ok {
			if order = bytes.Compare(p.prev.At(at).Key(at.Name), key); order >= 0 {
				break
			}
			at, ok = p.prev.Next(at)
		}
		before[i] = none
		if ok && order == 0 {
			before[i] = at
		}
	}
	return before
}

// sets fills the slots of name i's RRsets.
func (e *engine) sets(sigs *zone.SigsBuilder, b *zone.Block, i int, before zone.Pos, wants []want) error {
	p := e.plan
	from, to := b.Sets(i)
	for j := from; j < to; j++ {
		set := b.Set(j)
		if err := e.checkSize(b, i, set, wants[j]); err != nil {
			return err
		}
		if wants[j].keys > 0 {
			var had *zone.Sigs
			slot := 0
			if before != none {
				old := p.prev.Blocks[before.Block]
				if slot = old.FindSet(before.Name, set.Type); slot >= 0 && old.Set(slot).Equal(set) {
					had = &old.Sigs
				}
			}
			fresh := func() {
				e.owner(b.Key(i))
				e.set(set)
			}
			if err := e.slot(sigs, wants[j], had, slot, fresh, rrset{set.Type, p.zone.OwnerLabels(b.Key(i)), set.TTL}); err != nil {
				return err
			}
		}
		sigs.Close()
	}
	return nil
}

// rrset is what an RRSIG says of the RRset that it covers.
type rrset struct {
	typ    uint16
	labels uint8
	ttl    uint32
}

// slot adds the signatures that are wanted over one RRset: those that had holds
// in its slot, over the very same records, or new ones over the data that fresh
// lays out.
func (e *engine) slot(sigs *zone.SigsBuilder, w want, had *zone.Sigs, slot int, fresh func(), of rrset) error {
	p := e.plan
	laid := false
	for _, k := range p.schedule.signers(w.gen, of.typ) {
		g := zone.Sig{Key: int(k), Inception: p.inception(w), Expiration: p.expiration(w, of.typ)}
		if had == nil || !p.takeOver(&g, had, slot) {
			if !laid {
				fresh()
				laid = true
			}
			if err := e.sign(&g, of.typ, of.labels, of.ttl); err != nil {
				return err
			}
		}
		sigs.Add(g)
	}
	return nil
}

// takeOver fills g with the octets of the previous version's signature by the
// same key with the same times.
func (p *Plan) takeOver(g *zone.Sig, had *zone.Sigs, slot int) bool {
	from, to := had.Range(slot)
	for n := from; n < to; n++ {
		old := had.At(n)
		if p.prevKeys[old.Key] == g.Key && old.Inception == g.Inception && old.Expiration == g.Expiration {
			g.Raw = old.Raw
			return true
		}
	}
	return false
}

// nsec fills the slot of the NSEC record of the name at pos.
func (e *engine) nsec(sigs *zone.SigsBuilder, pos, before zone.Pos, w want) error {
	defer sigs.Close()
	if w.keys == 0 {
		return nil
	}
	p := e.plan
	key := p.zone.At(pos).Key(pos.Name)
	e.rd = p.zone.AppendNSEC(e.rd[:0], pos)
	var had *zone.Sigs
	slot := 0
	if before != none && p.prev.NSEC3 == nil && p.prev.NegativeTTL == p.negative {
		old := p.prev.Blocks[before.Block]
		if zone.InNSEC(old.Flags(before.Name)) {
			e.data = p.prev.AppendNSEC(e.data[:0], before)
			if bytes.Equal(e.data, e.rd) {
				had, slot = &old.Sigs, old.NumSets()+before.Name
			}
		}
	}
	fresh := func() {
		e.owner(key)
		e.begin(len(e.name) + 10 + len(e.rd))
		e.record(zone.TypeNSEC, p.negative, e.rd)
	}
	return e.slot(sigs, w, had, slot, fresh, rrset{zone.TypeNSEC, p.zone.OwnerLabels(key), p.negative})
}

// checkSize reports an RRset that does not fit a message with its RRSIGs: it
// could be loaded, but never be asked for.
func (e *engine) checkSize(b *zone.Block, i int, set zone.Set, w want) error {
	if len(set.Data) < maxMessage/4 && w.keys < 16 || b.Flags(i)&zone.Occluded != 0 {
		return nil
	}
	p := e.plan
	e.owner(b.Key(i))
	question := len(e.name)
	if zone.IsWildcard(b.Key(i)) {
		question = zone.MaxWire
	}
	const header = 2 + 10 // a compressed owner, and type to length
	size := messageRest + question + set.Count*(header-2) + len(set.Data)
	for _, k := range p.signersOf(w, set.Type) {
		size += header + 18 + len(p.origin) + p.in.Keys[k].Size
	}
	if set.Type == zone.TypeDNSKEY && len(b.Key(i)) == 0 && p.in.ZSKOnly {
		for _, rd := range p.in.Zone.Presigned.RRSIGs {
			size += header + len(rd)
		}
	}
	if size > maxMessage {
		return fmt.Errorf("%s: %s %s: with its signatures it has %d octets and does not fit a DNS message of %d",
			zone.Text(p.origin), zone.Text(e.name), zone.TypeText(set.Type), size, maxMessage)
	}
	return nil
}

func (p *Plan) signersOf(w want, typ uint16) []uint16 {
	if w.keys == 0 {
		return nil
	}
	return p.schedule.signers(w.gen, typ)
}
