package denial

import (
	"bytes"
	"encoding/base32"
	"fmt"
	"math/bits"
	"slices"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// bucketHashes is how many hashes a bucket of the chain has on average, at most.
const bucketHashes = 1024

type hash = [zone.HashLen]byte

// builder makes the NSEC3 chain of one zone.
type builder struct {
	z      *zone.Zone
	param  policy.Denial
	salt   []byte
	hasher func(wire, salt []byte, iterations uint16) hash // HashName but in tests
	name   []byte                                          // scratch: a name in wire form
}

// Build returns the NSEC3 chain of a zone (RFC 5155 section 7.1), which must
// have its apex sets already. Where the previous version's chain has the same
// parameters only names that changed are hashed, and buckets that did not
// change are shared, signatures and all. Two names with one hash are an error.
//
// With opt-out, insecure delegations are left out, and so are empty
// non-terminals that lead to nothing else, unless a wildcard above would then
// seem to answer for names below them.
func Build(z *zone.Zone, d policy.Denial, salt []byte, prev *zone.Signed) (*zone.Chain, error) {
	b := &builder{z: z, param: d, salt: salt, hasher: HashName}
	return b.build(prev)
}

func (b *builder) build(prev *zone.Signed) (*zone.Chain, error) {
	if prev != nil && b.continues(prev.NSEC3) {
		if edits, ok := b.edits(prev); ok {
			return b.apply(prev, edits)
		}
	}
	return b.scratch()
}

// continues reports whether a chain has the builder's parameters.
func (b *builder) continues(c *zone.Chain) bool {
	return c != nil && c.OptOut == b.param.OptOut && c.Iterations == b.param.Iterations && bytes.Equal(c.Salt, b.salt)
}

// chain returns a chain without buckets yet.
func (b *builder) chain(count int) *zone.Chain {
	return &zone.Chain{
		Iterations: b.param.Iterations,
		Salt:       slices.Clone(b.salt),
		OptOut:     b.param.OptOut,
		Bits:       bucketBits(count),
		Count:      count,
	}
}

// bucketBits returns the number of leading bits that tell buckets apart. It
// depends on nothing but the number of hashes, so that equal zones have equal buckets.
func bucketBits(count int) uint { return uint(min(bits.Len(uint(count/bucketHashes)), 24)) }

// entry is a hash and the name it was made of: block, and number in it.
type entry struct {
	hash        hash
	block, name uint32
}

func (e entry) at() zone.Pos { return zone.Pos{Block: int(e.block), Name: int(e.name)} }

func compareEntries(a, b entry) int { return bytes.Compare(a.hash[:], b.hash[:]) }

// hash returns the hash of the name at p in z.
func (b *builder) hash(z *zone.Zone, p zone.Pos) hash {
	b.name = z.AppendName(b.name[:0], p)
	return b.hasher(b.name, b.salt, b.param.Iterations)
}

// scratch builds the chain from all names.
func (b *builder) scratch() (*zone.Chain, error) {
	count := 0
	for range b.owners {
		count++
	}
	c := b.chain(count)
	entries := make([]entry, 0, count)
	for p := range b.owners {
		entries = append(entries, entry{b.hash(b.z, p), uint32(p.Block), uint32(p.Name)})
	}
	ends := partition(entries, c.Bits)
	c.Buckets = make([]*zone.Bucket, 1<<c.Bits)
	start := 0
	for n, end := range ends {
		slices.SortFunc(entries[start:end], compareEntries)
		bucket, err := b.bucket(entries[start:end])
		if err != nil {
			return nil, err
		}
		c.Buckets[n] = bucket
		start = end
	}
	return c, nil
}

// partition brings entries of one bucket together, in place, since there may be
// millions, and returns where each bucket ends.
func partition(entries []entry, bits uint) (ends []int) {
	ends = make([]int, 1<<bits)
	for i := range entries {
		ends[prefix(entries[i].hash[:], bits)]++
	}
	next := make([]int, len(ends)) // where the next entry of each bucket goes
	for n, sum := 0, 0; n < len(ends); n++ {
		next[n] = sum
		sum += ends[n]
		ends[n] = sum
	}
	for n, end := range ends {
		for next[n] < end {
			e := entries[next[n]]
			home := prefix(e.hash[:], bits)
			entries[next[n]] = entries[next[home]]
			entries[next[home]] = e
			next[home]++
		}
	}
	return ends
}

// owners yields the names that have a hash.
func (b *builder) owners(yield func(zone.Pos) bool) {
	for n, block := range b.z.Blocks() {
		for i := range block.Len() {
			if p := (zone.Pos{Block: n, Name: i}); b.inChain(b.z, p) && !yield(p) {
				return
			}
		}
	}
}

// bucket makes a bucket of entries in order.
func (b *builder) bucket(run []entry) (*zone.Bucket, error) {
	r := newRun(len(run))
	for i, e := range run {
		if i > 0 && e.hash == run[i-1].hash {
			return nil, b.collision(e.hash, b.z.AppendName(nil, run[i-1].at()), b.z.AppendName(nil, e.at()))
		}
		r.add(e.hash[:])
		r.bitmaps = zone.AppendNSEC3Bitmap(r.bitmaps, b.z.At(e.at()), int(e.name))
		r.close()
	}
	return r.bucket(), nil
}

func (b *builder) collision(h hash, one, other []byte) error {
	return fmt.Errorf("nsec3: %s and %s have the same hash %s; a different salt tells them apart (RFC 5155 section 7.2.1)",
		zone.Text(one), zone.Text(other), base32.HexEncoding.EncodeToString(h[:]))
}

// prefix returns a hash's leading bits, the number of its bucket.
func prefix(h []byte, bits uint) int {
	return int(uint32(h[0])<<16|uint32(h[1])<<8|uint32(h[2])) >> (24 - bits)
}

// run collects a part of the chain in order.
type run struct {
	hashes  []byte
	bitEnd  []uint32
	bitmaps []byte
}

func newRun(count int) *run {
	return &run{make([]byte, 0, count*zone.HashLen), make([]uint32, 0, count), make([]byte, 0, count*9)}
}

// add opens an entry; its bitmap is appended to bitmaps, then it is closed.
func (r *run) add(h []byte) { r.hashes = append(r.hashes, h...) }

func (r *run) close() { r.bitEnd = append(r.bitEnd, uint32(len(r.bitmaps))) }

// bucket returns what was collected as a bucket of its own, without spare room.
func (r *run) bucket() *zone.Bucket {
	return zone.NewBucket(slices.Clip(r.hashes), slices.Clip(r.bitEnd), slices.Clone(r.bitmaps))
}

// inChain reports whether the name at p has a hash in the chain.
func (b *builder) inChain(z *zone.Zone, p zone.Pos) bool {
	f := z.At(p).Flags(p.Name)
	switch {
	case f&zone.Occluded != 0:
		return false
	case !b.param.OptOut:
		return true
	case f&zone.Empty != 0:
		return underWildcard(z, p) || leadsToSigned(z, p)
	}
	return f&(zone.Cut|zone.Secure) != zone.Cut
}

// leadsToSigned reports whether a name other than insecure delegations is below p.
func leadsToSigned(z *zone.Zone, p zone.Pos) bool {
	key := z.At(p).Key(p.Name)
	for p, ok := z.Next(p); ok && bytes.HasPrefix(z.At(p).Key(p.Name), key); p, ok = z.Next(p) {
		f := z.At(p).Flags(p.Name)
		if f&(zone.Occluded|zone.Empty) == 0 && f&(zone.Cut|zone.Secure) != zone.Cut {
			return true
		}
	}
	return false
}

// underWildcard reports whether the name at p or an ancestor has a wildcard child.
func underWildcard(z *zone.Zone, p zone.Pos) bool {
	for key := z.At(p).Key(p.Name); ; key = zone.Parent(key) {
		at, exact := z.Find(key)
		if exact && z.At(at).Flags(at.Name)&zone.HasWildcard != 0 {
			return true
		}
		if len(key) == 0 {
			return false
		}
	}
}
