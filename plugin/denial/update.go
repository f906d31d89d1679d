package denial

import (
	"bytes"
	"slices"

	"github.com/autosign-dns/autosign/plugin/zone"
)

// edit is a name whose entry in the chain may differ between two versions.
type edit struct {
	entry         // its position is that in the new version
	old, new bool // the name is in the chain before, and after
}

// edits returns the names to look at again. With too many of them the chain is
// built from scratch instead: ok is false.
func (b *builder) edits(prev *zone.Signed) (list []edit, ok bool) {
	limit := prev.NSEC3.Count/8 + 256
	seen := map[string]bool{} // for opt-out, where a change reaches other names
	for c := range zone.Diff(prev.Zone, b.z) {
		if len(list) > limit {
			return nil, false
		}
		if !b.param.OptOut {
			list = b.addEdit(list, prev.Zone, c.Key)
			continue
		}
		for key := range b.reached(prev.Zone, c) {
			if !seen[string(key)] {
				seen[string(key)] = true
				list = b.addEdit(list, prev.Zone, key)
			}
		}
	}
	slices.SortFunc(list, func(x, y edit) int { return compareEntries(x.entry, y.entry) })
	return list, true
}

// addEdit looks a name up in both versions.
func (b *builder) addEdit(list []edit, old *zone.Zone, key []byte) []edit {
	var e edit
	if at, exact := old.Find(key); exact && b.inChain(old, at) {
		e.old = true
		e.hash = b.hash(old, at)
	}
	if at, exact := b.z.Find(key); exact && b.inChain(b.z, at) {
		e.new = true
		e.block, e.name = uint32(at.Block), uint32(at.Name)
		e.hash = b.hash(b.z, at)
	}
	if e.old || e.new {
		list = append(list, e)
	}
	return list
}

// reached yields the keys of the names that a change may bring into an opt-out
// chain or put out of it: the name itself, the empty non-terminals above it, and
// where a wildcard came or went those below its parent.
func (b *builder) reached(old *zone.Zone, c zone.Change) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		var was, is zone.Flags
		if c.InOld {
			was = old.At(c.Old).Flags(c.Old.Name)
		}
		if c.InNew {
			is = b.z.At(c.New).Flags(c.New.Name)
		}
		for key := c.Key; ; key = zone.Parent(key) {
			if !yield(key) {
				return
			}
			if len(key) == 0 {
				break
			}
		}
		if (was^is)&zone.HasWildcard == 0 {
			return
		}
		for _, z := range []*zone.Zone{old, b.z} {
			p, ok := z.Find(c.Key)
			if !ok {
				p, ok = z.Next(p)
			}
			for ; ok && bytes.HasPrefix(z.At(p).Key(p.Name), c.Key); p, ok = z.Next(p) {
				if z.At(p).Flags(p.Name)&zone.Empty != 0 && !yield(z.At(p).Key(p.Name)) {
					return
				}
			}
		}
	}
}

// apply returns the chain of prev with the edits made.
func (b *builder) apply(prev *zone.Signed, edits []edit) (*zone.Chain, error) {
	count := prev.NSEC3.Count
	for _, e := range edits {
		if e.old {
			count--
		}
		if e.new {
			count++
		}
	}
	c := b.chain(count)
	if c.Bits != prev.NSEC3.Bits {
		all := newRun(count)
		for _, old := range prev.NSEC3.Buckets {
			n := editsUpTo(edits, old)
			if err := b.merge(all, prev, old, edits[:n]); err != nil {
				return nil, err
			}
			edits = edits[n:]
		}
		if err := b.merge(all, prev, &zone.Bucket{}, edits); err != nil {
			return nil, err
		}
		c.Buckets = all.split(c.Bits)
		return c, nil
	}
	c.Buckets = slices.Clone(prev.NSEC3.Buckets)
	for len(edits) > 0 {
		n := prefix(edits[0].hash[:], c.Bits)
		here := 1
		for here < len(edits) && prefix(edits[here].hash[:], c.Bits) == n {
			here++
		}
		r := newRun(c.Buckets[n].Len() + here)
		if err := b.merge(r, prev, c.Buckets[n], edits[:here]); err != nil {
			return nil, err
		}
		if !r.equal(c.Buckets[n]) {
			c.Buckets[n] = r.bucket()
		}
		edits = edits[here:]
	}
	return c, nil
}

// editsUpTo returns how many edits are not after the last hash of a bucket.
func editsUpTo(edits []edit, bucket *zone.Bucket) int {
	if bucket.Len() == 0 {
		return 0
	}
	last := bucket.Hash(bucket.Len() - 1)
	n, _ := slices.BinarySearchFunc(edits, last, func(e edit, last []byte) int {
		if bytes.Compare(e.hash[:], last) <= 0 {
			return -1
		}
		return 1
	})
	return n
}

// merge appends a bucket of the old chain to r, with edits made.
func (b *builder) merge(r *run, prev *zone.Signed, old *zone.Bucket, edits []edit) error {
	i := 0
	copyUntil := func(h []byte) {
		for ; i < old.Len() && (h == nil || bytes.Compare(old.Hash(i), h) < 0); i++ {
			r.add(old.Hash(i))
			r.bitmaps = append(r.bitmaps, old.Bitmap(i)...)
			r.close()
		}
	}
	for len(edits) > 0 {
		n, went, came, err := b.sameHash(edits)
		if err != nil {
			return err
		}
		h := edits[0].hash
		edits = edits[n:]
		copyUntil(h[:])
		if i < old.Len() && bytes.Equal(old.Hash(i), h[:]) {
			if came != nil && !went { // the hash stays that of another name
				return b.collision(h, b.owner(prev.Zone, h), b.z.AppendName(nil, came.at()))
			}
			i++
		}
		if came != nil {
			r.add(h[:])
			r.bitmaps = zone.AppendNSEC3Bitmap(r.bitmaps, b.z.At(came.at()), int(came.name))
			r.close()
		}
	}
	copyUntil(nil)
	return nil
}

// sameHash looks at the edits that have the hash of the first: how many they
// are, whether one says whose hash that was, and the one whose it is now.
func (b *builder) sameHash(edits []edit) (n int, went bool, came *edit, err error) {
	for ; n < len(edits) && edits[n].hash == edits[0].hash; n++ {
		e := &edits[n]
		went = went || e.old
		if !e.new {
			continue
		}
		if came != nil {
			return 0, false, nil, b.collision(e.hash, b.z.AppendName(nil, came.at()), b.z.AppendName(nil, e.at()))
		}
		came = e
	}
	return n, went, came, nil
}

// owner returns the name in z that has a hash.
func (b *builder) owner(z *zone.Zone, h hash) []byte {
	for n, block := range z.Blocks() {
		for i := range block.Len() {
			if p := (zone.Pos{Block: n, Name: i}); b.inChain(z, p) && b.hash(z, p) == h {
				return z.AppendName(nil, p)
			}
		}
	}
	return z.Origin()
}

// equal reports whether a bucket holds the same hashes and bitmaps.
func (r *run) equal(o *zone.Bucket) bool {
	if len(r.bitEnd) != o.Len() {
		return false
	}
	start := uint32(0)
	for i, end := range r.bitEnd {
		if !bytes.Equal(r.hashes[i*zone.HashLen:(i+1)*zone.HashLen], o.Hash(i)) ||
			!bytes.Equal(r.bitmaps[start:end], o.Bitmap(i)) {
			return false
		}
		start = end
	}
	return true
}

// split returns the run as buckets by their leading bits.
func (r *run) split(bits uint) []*zone.Bucket {
	buckets := make([]*zone.Bucket, 1<<bits)
	i, start := 0, uint32(0)
	for n := range buckets {
		part := newRun(0)
		for ; i < len(r.bitEnd) && prefix(r.hashes[i*zone.HashLen:], bits) == n; i++ {
			part.add(r.hashes[i*zone.HashLen : (i+1)*zone.HashLen])
			part.bitmaps = append(part.bitmaps, r.bitmaps[start:r.bitEnd[i]]...)
			part.close()
			start = r.bitEnd[i]
		}
		buckets[n] = part.bucket()
	}
	return buckets
}
