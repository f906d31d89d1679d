package autosign

import (
	"encoding/base32"
	"iter"

	"github.com/autosign-dns/autosign/plugin/verify"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// view shows a signed copy to verify, name by name.
type view struct{ s *zone.Signed }

// records turns a signed copy's records into verify's.
func records(from iter.Seq[zone.Record]) iter.Seq[verify.Record] {
	return func(yield func(verify.Record) bool) {
		n := 0
		for r := range from {
			if n++; n%64 == 0 {
				giveWay()
			}
			if !yield(verify.Record{Owner: r.Owner, Type: r.Type, TTL: r.TTL, RData: r.RData}) {
				return
			}
		}
	}
}

// Owner implements verify.View.
func (v view) Owner(owner []byte) iter.Seq[verify.Record] {
	return func(yield func(verify.Record) bool) {
		more := true
		each := func(r verify.Record) bool { more = yield(r); return more }
		if p, ok := v.hashed(owner); ok {
			records(v.s.HashRecords(p))(each)
		}
		if key, in := v.s.Key(nil, owner); more && in {
			if p, exact := v.s.Find(key); exact {
				records(v.s.NameRecords(p))(each)
			}
		}
	}
}

// hashed returns the NSEC3 record whose owner a name is.
func (v view) hashed(owner []byte) (p zone.Pos, ok bool) {
	if hash := v.hash(owner); hash != nil {
		return v.s.NSEC3.Find(hash)
	}
	return zone.Pos{}, false
}

// lowerHex is base32hex as it stands in owner names here (RFC 5155 section 1.3).
var lowerHex = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// hash returns the hash that a name directly below the apex may stand for, or nil.
func (v view) hash(owner []byte) []byte {
	const label = 32 // base32hex of zone.HashLen octets
	if v.s.NSEC3 == nil || v.s.NSEC3.Count == 0 || len(owner) != 1+label+len(v.s.Origin()) || owner[0] != label {
		return nil
	}
	hash, err := lowerHex.DecodeString(string(owner[1 : 1+label]))
	if err != nil {
		return nil
	}
	return hash
}

// After implements verify.View.
func (v view) After(owner []byte) []byte {
	key, in := v.s.Key(nil, owner)
	if !in {
		return nil
	}
	p, _ := v.s.Find(key)
	if next, ok := v.s.Next(p); ok {
		return v.s.AppendName(nil, next)
	}
	return nil
}

// Before implements verify.View.
func (v view) Before(owner []byte) []byte {
	if v.s.NSEC3 != nil {
		return v.hashBefore(owner)
	}
	key, in := v.s.Key(nil, owner)
	if !in {
		return nil
	}
	p, exact := v.s.Find(key)
	ok := true
	if exact {
		p, ok = v.s.Prev(p)
	}
	for ; ok; p, ok = v.s.Prev(p) {
		if zone.InNSEC(v.s.At(p).Flags(p.Name)) {
			return v.s.AppendName(nil, p)
		}
	}
	last := len(v.s.Zone.Blocks()) - 1
	for p, ok = (zone.Pos{Block: last, Name: v.s.Blocks[last].Len() - 1}), true; ok; p, ok = v.s.Prev(p) {
		if zone.InNSEC(v.s.At(p).Flags(p.Name)) {
			return v.s.AppendName(nil, p)
		}
	}
	return nil
}

func (v view) hashBefore(owner []byte) []byte {
	hash := v.hash(owner)
	if hash == nil {
		return nil
	}
	c := v.s.NSEC3
	p, match := c.Find(hash)
	if match {
		for p.Name--; p.Name < 0; p.Name = c.Buckets[p.Block].Len() - 1 {
			p.Block = (p.Block + len(c.Buckets) - 1) % len(c.Buckets)
		}
	}
	return c.AppendOwner(nil, p, v.s.Origin())
}

// changedNames returns the names, and the owners of NSEC3 records, in which two
// signed copies differ; ok is false when there are more than limit.
func changedNames(old, next *zone.Signed, limit int) (names [][]byte, ok bool) {
	for c := range zone.Diff(old.Zone, next.Zone) {
		if len(names) == limit {
			return nil, false
		}
		names = append(names, zone.AppendWire(nil, c.Key, next.Origin()))
	}
	had := map[*zone.SignedBlock]bool{}
	for _, b := range old.Blocks {
		had[b] = true
	}
	for n, b := range next.Blocks {
		if had[b] {
			continue
		}
		for i := range b.Len() {
			p := zone.Pos{Block: n, Name: i}
			if !resigned(old, next, p) {
				continue
			}
			if len(names) == limit {
				return nil, false
			}
			names = append(names, next.AppendName(nil, p))
		}
	}
	return changedHashes(old, next, names, limit)
}

// resigned reports whether a name has other signatures than before. Names with
// other records are not its business.
func resigned(old, next *zone.Signed, p zone.Pos) bool {
	b := next.Blocks[p.Block]
	was, exact := old.Find(b.Key(p.Name))
	if !exact {
		return false
	}
	o := old.Blocks[was.Block]
	from, to := b.Sets(p.Name)
	oldFrom, oldTo := o.Sets(was.Name)
	if to-from != oldTo-oldFrom {
		return false
	}
	for j := range to - from {
		if !sameSigs(&o.Sigs, oldFrom+j, &b.Sigs, from+j) {
			return true
		}
	}
	return next.NSEC3 == nil && old.NSEC3 == nil && !sameSigs(&o.Sigs, o.NumSets()+was.Name, &b.Sigs, b.NumSets()+p.Name)
}

func sameSigs(a *zone.Sigs, x int, b *zone.Sigs, y int) bool {
	from, to := a.Range(x)
	other, end := b.Range(y)
	if to-from != end-other {
		return false
	}
	for i := range to - from {
		s, t := a.At(from+i), b.At(other+i)
		if s.Inception != t.Inception || s.Expiration != t.Expiration || string(s.Raw) != string(t.Raw) {
			return false
		}
	}
	return true
}

// changedHashes adds the owners of NSEC3 records that differ.
func changedHashes(old, next *zone.Signed, names [][]byte, limit int) ([][]byte, bool) {
	if old.NSEC3 == nil || next.NSEC3 == nil {
		return names, (old.NSEC3 == nil) == (next.NSEC3 == nil)
	}
	for _, way := range [][2]*zone.Signed{{old, next}, {next, old}} {
		had := map[*zone.Bucket]bool{}
		for _, b := range way[0].NSEC3.Buckets {
			had[b] = true
		}
		for n, b := range way[1].NSEC3.Buckets {
			if had[b] {
				continue
			}
			for i := range b.Len() {
				p := zone.Pos{Block: n, Name: i}
				if sameHash(way[0].NSEC3, way[1].NSEC3, p) {
					continue
				}
				if len(names) == limit {
					return nil, false
				}
				names = append(names, way[1].NSEC3.AppendOwner(nil, p, next.Origin()))
			}
		}
	}
	return names, true
}

// sameHash reports whether the NSEC3 record at p of b stands in a, too.
func sameHash(a, b *zone.Chain, p zone.Pos) bool {
	bucket := b.Buckets[p.Block]
	was, match := a.Find(bucket.Hash(p.Name))
	if !match {
		return false
	}
	o := a.Buckets[was.Block]
	return string(o.Bitmap(was.Name)) == string(bucket.Bitmap(p.Name)) &&
		string(a.NextHash(was)) == string(b.NextHash(p)) && sameSigs(&o.Sigs, was.Name, &bucket.Sigs, p.Name)
}
