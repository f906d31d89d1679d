package zone

import (
	"bytes"
	"encoding/base32"
	"encoding/binary"
)

// HashLen is the length of an NSEC3 hash: SHA-1, the only one (RFC 5155 section 11).
const HashLen = 20

// Chain is the NSEC3 chain of a zone (RFC 5155 section 7.1): hashes in order,
// in buckets by their leading bits. The owner of each hash follows from the
// names; what is kept is the hash, the type bitmap and the signatures.
type Chain struct {
	Iterations uint16
	Salt       []byte
	OptOut     bool
	Bits       uint // a hash's bucket is its first Bits bits, at most 24
	Buckets    []*Bucket
	Count      int // hashes in all buckets
}

// Bucket is a run of the NSEC3 chain. Slot i of its signatures is hash i.
type Bucket struct {
	hashes  []byte   // HashLen octets each, ascending
	bitEnd  []uint32 // end of each type bitmap in bitmaps
	bitmaps []byte   // RFC 4034 section 4.1.2
	Sigs
	Digest      [32]byte
	Expiry, Due int64
}

// NewBucket returns a bucket without signatures. Hashes are HashLen octets
// each, ascending; bitmaps are the type bitmaps one after the other.
func NewBucket(hashes []byte, bitEnd []uint32, bitmaps []byte) *Bucket {
	return &Bucket{hashes: hashes, bitEnd: bitEnd, bitmaps: bitmaps}
}

// Signed returns the bucket with signatures.
func (b *Bucket) Signed(s Sigs) *Bucket {
	return &Bucket{hashes: b.hashes, bitEnd: b.bitEnd, bitmaps: b.bitmaps, Sigs: s}
}

// Len returns the number of hashes in the bucket.
func (b *Bucket) Len() int { return len(b.hashes) / HashLen }

// Hash returns hash i.
func (b *Bucket) Hash(i int) []byte { return b.hashes[i*HashLen : (i+1)*HashLen : (i+1)*HashLen] }

// Bitmap returns the type bitmap of hash i.
func (b *Bucket) Bitmap(i int) []byte {
	return b.bitmaps[start(b.bitEnd, i):b.bitEnd[i]:b.bitEnd[i]]
}

// bucketOf returns the number of a hash's bucket.
func (c *Chain) bucketOf(hash []byte) int {
	return int(uint32(hash[0])<<16|uint32(hash[1])<<8|uint32(hash[2])) >> (24 - c.Bits)
}

// Find returns the position of the NSEC3 record whose owner is hash, or else
// of the one that covers it. The chain must not be empty.
func (c *Chain) Find(hash []byte) (p Pos, match bool) {
	n := c.bucketOf(hash)
	b := c.Buckets[n]
	lo := b.after(hash, c.Bits)
	if lo > 0 {
		return Pos{n, lo - 1}, bytes.Equal(b.Hash(lo-1), hash)
	}
	for {
		if n--; n < 0 {
			n = len(c.Buckets) - 1
		}
		if l := c.Buckets[n].Len(); l > 0 {
			return Pos{n, l - 1}, false
		}
	}
}

// after returns the number of the first hash in the bucket that is greater than
// hash, whose first bits choose the bucket. Hashes are spread evenly: it is
// looked for where it should be, in widening steps from there, and then between
// the last two. In a large chain the time goes into memory accesses, and these
// are few.
func (b *Bucket) after(hash []byte, bits uint) int {
	const first = 6      // hashes; the first guess is seldom off by more than a few times this
	lo, hi := 0, b.Len() // hashes before lo are not after hash, those from hi on are
	guess := int(binary.BigEndian.Uint64(hash) << bits >> 32 * uint64(hi) >> 32)
	if guess < hi && bytes.Compare(b.Hash(guess), hash) <= 0 {
		lo = guess + 1
		for step := first; lo+step < hi; step *= 2 {
			if bytes.Compare(b.Hash(lo+step), hash) > 0 {
				hi = lo + step
				break
			}
			lo += step + 1
		}
	} else {
		hi = guess
		for step := first; step < hi; step *= 2 {
			if bytes.Compare(b.Hash(hi-step), hash) <= 0 {
				lo = hi - step + 1
				break
			}
			hi -= step
		}
	}
	for lo < hi {
		if mid := int(uint(lo+hi) >> 1); bytes.Compare(b.Hash(mid), hash) <= 0 {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// NextHash returns the hash after the one at p; after the last comes the first.
func (c *Chain) NextHash(p Pos) []byte {
	if p.Name+1 < c.Buckets[p.Block].Len() {
		return c.Buckets[p.Block].Hash(p.Name + 1)
	}
	for n := p.Block; ; {
		if n++; n == len(c.Buckets) {
			n = 0
		}
		if c.Buckets[n].Len() > 0 {
			return c.Buckets[n].Hash(0)
		}
	}
}

var base32Hex = base32.HexEncoding.WithPadding(base32.NoPadding)

// AppendOwner appends the owner name in wire form of the NSEC3 record at p: the
// hash in base32hex, lower case, as a label above the origin.
func (c *Chain) AppendOwner(dst []byte, p Pos, origin []byte) []byte {
	at := len(dst) + 1
	dst = append(dst, 32)
	dst = base32Hex.AppendEncode(dst, c.Buckets[p.Block].Hash(p.Name))
	for i := at; i < len(dst); i++ {
		dst[i] = lower(dst[i])
	}
	return append(dst, origin...)
}

// AppendRData appends the RDATA of the NSEC3 record at p (RFC 5155 section 3.2).
func (c *Chain) AppendRData(dst []byte, p Pos) []byte {
	flags := byte(0)
	if c.OptOut {
		flags = 1
	}
	dst = append(dst, 1, flags, byte(c.Iterations>>8), byte(c.Iterations), byte(len(c.Salt)))
	dst = append(dst, c.Salt...)
	dst = append(dst, HashLen)
	dst = append(dst, c.NextHash(p)...)
	return append(dst, c.Buckets[p.Block].Bitmap(p.Name)...)
}

// AppendNSEC appends the RDATA of the NSEC record of the name at p: the next
// name in the chain and the types at p (RFC 4034 section 4.1).
func (z *Zone) AppendNSEC(dst []byte, p Pos) []byte {
	dst = z.AppendName(dst, z.NextNSEC(p))
	b := z.At(p)
	return appendNSECBitmap(dst, b, p.Name)
}

// appendNSECBitmap appends the bitmap of an NSEC record: RRSIG and NSEC are
// always there (RFC 4035 section 2.3).
func appendNSECBitmap(dst []byte, b *Block, i int) []byte {
	var buf [64]uint16
	types := append(b.appendTypes(buf[:0], i), TypeRRSIG, TypeNSEC)
	return AppendBitmap(dst, types)
}

// appendTypes appends the types at name i that a denial record shows: at a cut
// only NS and DS, elsewhere all (RFC 4035 section 2.3, RFC 5155 section 7.1).
func (b *Block) appendTypes(dst []uint16, i int) []uint16 {
	from, to := b.Sets(i)
	for j := from; j < to; j++ {
		if t := b.sets[j].typ; b.names[i].flags&Cut == 0 || t == TypeNS || t == TypeDS {
			dst = append(dst, t)
		}
	}
	return dst
}

// AppendNSEC3Bitmap appends the bitmap of the NSEC3 record of name i: RRSIG only
// where something is signed, nothing at empty non-terminals.
func AppendNSEC3Bitmap(dst []byte, b *Block, i int) []byte {
	var buf [64]uint16
	types := b.appendTypes(buf[:0], i)
	if len(types) > 0 && b.names[i].flags&(Cut|Secure) != Cut {
		types = append(types, TypeRRSIG)
	}
	return AppendBitmap(dst, types)
}

// AppendBitmap appends types, in any order, as a type bitmap (RFC 4034 section
// 4.1.2). It sorts its argument.
func AppendBitmap(dst []byte, types []uint16) []byte {
	for i := 1; i < len(types); i++ {
		for k := i; k > 0 && types[k] < types[k-1]; k-- {
			types[k], types[k-1] = types[k-1], types[k]
		}
	}
	for i := 0; i < len(types); {
		window := types[i] >> 8
		at := len(dst)
		dst = append(dst, byte(window), 0)
		for ; i < len(types) && types[i]>>8 == window; i++ {
			octet := int(types[i]&0xff) >> 3
			for len(dst) < at+2+octet+1 {
				dst = append(dst, 0)
			}
			dst[at+2+octet] |= 0x80 >> (types[i] & 7)
		}
		dst[at+1] = byte(len(dst) - at - 2)
	}
	return dst
}
