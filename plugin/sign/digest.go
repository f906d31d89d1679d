package sign

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/autosign-dns/autosign/plugin/zone"
)

// digester is SHA-256 over parts, each with its length, taken in larger pieces.
type digester struct {
	h    hash.Hash
	keys []Key
	buf  []byte
}

func (p *Plan) newDigester() *digester {
	return &digester{h: sha256.New(), keys: p.in.Keys, buf: make([]byte, 0, 8192)}
}

// room makes sure that n octets can be added to the buffer.
func (d *digester) room(n int) {
	if len(d.buf)+n > cap(d.buf) {
		d.h.Write(d.buf)
		d.buf = d.buf[:0]
	}
}

func (d *digester) number(v uint32) {
	d.room(4)
	d.buf = binary.BigEndian.AppendUint32(d.buf, v)
}

func (d *digester) octets(b []byte) {
	d.number(uint32(len(b)))
	d.room(len(b))
	if len(b) > cap(d.buf) {
		d.h.Write(b)
		return
	}
	d.buf = append(d.buf, b...)
}

// sigs adds the signatures of a slot. Keys are told by what they are, not by
// their number.
func (d *digester) sigs(s *zone.Sigs, slot int) {
	from, to := s.Range(slot)
	d.number(uint32(to - from))
	for n := from; n < to; n++ {
		g := s.At(n)
		d.octets(d.keys[g.Key].ID[:])
		d.number(g.Inception)
		d.number(g.Expiration)
		d.octets(g.Raw)
	}
}

func (d *digester) sum() (sum [32]byte) {
	d.h.Write(d.buf)
	d.h.Sum(sum[:0])
	return sum
}

// digestBlock is the digest of names, records and signatures of a block,
// without the SOA.
func (p *Plan) digestBlock(b *zone.SignedBlock) [32]byte {
	d := p.newDigester()
	for i := range b.Len() {
		d.octets(b.Key(i))
		from, to := b.Sets(i)
		for j := from; j < to; j++ {
			if set := b.Set(j); set.Type != zone.TypeSOA {
				d.number(uint32(set.Type)<<16 | uint32(set.Count))
				d.number(set.TTL)
				d.octets(set.Data)
				d.sigs(&b.Sigs, j)
			}
		}
		d.sigs(&b.Sigs, b.NumSets()+i)
	}
	return d.sum()
}

// digestBucket is digestBlock for a bucket of the NSEC3 chain.
func (p *Plan) digestBucket(b *zone.Bucket) [32]byte {
	d := p.newDigester()
	for i := range b.Len() {
		d.octets(b.Hash(i))
		d.octets(b.Bitmap(i))
		d.sigs(&b.Sigs, i)
	}
	return d.sum()
}

// digestZone is the digest of a whole signed zone. The SOA record counts but
// for its serial, and its signature with its times: when that is due the zone
// needs a new version too.
func (p *Plan) digestZone(s *zone.Signed) [32]byte {
	d := p.newDigester()
	d.octets(p.origin)
	soa, ttl := s.SOA()
	fixed := len(soa) - 20 // the serial comes first of five numbers (RFC 1035 section 3.3.13)
	d.octets(soa[:fixed])
	d.octets(soa[fixed+4:])
	d.number(ttl)
	w, _ := p.schedule.place(p.schedule.nameHash(nil), zone.TypeSOA)
	for _, k := range p.schedule.signers(w.gen, zone.TypeSOA) {
		d.octets(p.in.Keys[k].ID[:])
		d.number(p.inception(w))
		d.number(p.expiration(w, zone.TypeSOA))
	}
	d.number(s.NegativeTTL)
	for _, b := range s.Blocks {
		d.octets(b.Digest[:])
	}
	for _, rd := range s.DNSKEYSigs {
		d.octets(rd)
	}
	if c := s.NSEC3; c != nil {
		d.number(uint32(c.Iterations))
		d.octets(c.Salt)
		if c.OptOut {
			d.number(1)
		}
		for _, b := range c.Buckets {
			d.octets(b.Digest[:])
		}
	}
	return d.sum()
}
