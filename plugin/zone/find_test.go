package zone

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestBlock_find compares the search in a block with a search through all its
// keys, for blocks of all sizes and keys that share much or nothing.
func TestBlock_find(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	label := func(alphabet string, n int) []byte {
		key := make([]byte, r.IntN(n)+1)
		for i := range key {
			key[i] = alphabet[r.IntN(len(alphabet))]
		}
		return append(key, 0)
	}
	for _, alphabet := range []string{"ab", "\xff", "\xff\xfe", "abcdefghijklmnopqrstuvwxyz0123456789"} {
		for size := 1; size < 700; size += 1 + size/7 {
			prefix := label(alphabet, 20)
			var keys [][]byte
			for range size {
				keys = append(keys, append(slices.Clone(prefix), label(alphabet, 14)...))
			}
			slices.SortFunc(keys, bytes.Compare)
			keys = slices.CompactFunc(keys, bytes.Equal)
			b := &Block{}
			for _, key := range keys {
				b.keys = append(b.keys, key...)
				b.names = append(b.names, name{key: uint32(len(b.keys))})
			}
			b.index()
			for range 200 {
				key := append(slices.Clone(prefix), label(alphabet, 14)...)
				if r.IntN(4) == 0 {
					key = label("\xff\xfe", 20)
				}
				if bytes.Compare(key, keys[0]) < 0 {
					continue
				}
				want, wantExact := slices.BinarySearchFunc(keys, key, bytes.Compare)
				if !wantExact {
					want--
				}
				if got, exact := b.find(key); got != want || exact != wantExact {
					t.Fatalf("%q among %d of %q: got %d %v, want %d %v", key, len(keys), alphabet, got, exact, want, wantExact)
				}
			}
		}
	}
}

// TestChain_Find compares the search in an NSEC3 chain with a search through all
// hashes, evenly spread and not.
func TestChain_Find(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, spread := range []int{256, 3, 1} {
		for count := 1; count < 3000; count += 1 + count/3 {
			hash := func() []byte {
				h := make([]byte, HashLen)
				for i := range h {
					h[i] = byte(r.IntN(spread))
				}
				h[HashLen-1] = byte(r.IntN(256))
				return h
			}
			var all [][]byte
			for range count {
				all = append(all, hash())
			}
			slices.SortFunc(all, bytes.Compare)
			all = slices.CompactFunc(all, bytes.Equal)
			for _, bits := range []uint{0, 1, 4} {
				c := chainOf(all, bits)
				for range 300 {
					h := hash()
					n, match := slices.BinarySearchFunc(all, h, bytes.Compare)
					if !match {
						n = (n + len(all) - 1) % len(all)
					}
					at, got := c.Find(h)
					if found := c.Buckets[at.Block].Hash(at.Name); got != match || !bytes.Equal(found, all[n]) {
						t.Fatalf("%x in %d hashes, %d bits: got %x %v, want %x %v", h, len(all), bits, found, got, all[n], match)
					}
				}
			}
		}
	}
}

// chainOf returns a chain of hashes in order.
func chainOf(all [][]byte, bits uint) *Chain {
	c := &Chain{Bits: bits, Buckets: make([]*Bucket, 1<<bits), Count: len(all)}
	for n := range c.Buckets {
		var hashes []byte
		var ends []uint32
		for _, h := range all {
			if c.bucketOf(h) == n {
				hashes = append(hashes, h...)
				ends = append(ends, 0)
			}
		}
		c.Buckets[n] = NewBucket(hashes, ends, nil)
	}
	return c
}

func BenchmarkChain_Find(b *testing.B) {
	for _, bits := range []uint{7, 11} {
		b.Run(fmt.Sprint(1024<<bits), func(b *testing.B) {
			r := rand.New(rand.NewPCG(7, 8))
			c := &Chain{Bits: bits, Buckets: make([]*Bucket, 1<<bits)}
			for n := range c.Buckets {
				list := make([][]byte, 1024)
				for i := range list {
					list[i] = make([]byte, HashLen)
					for k := range list[i] {
						list[i][k] = byte(r.Uint32())
					}
					list[i][0], list[i][1] = byte(n<<(16-bits)>>8), byte(n<<(16-bits))|list[i][1]&(1<<(16-bits)-1)
				}
				slices.SortFunc(list, bytes.Compare)
				c.Buckets[n] = NewBucket(slices.Concat(list...), make([]uint32, len(list)), nil)
			}
			hashes := make([]byte, 1<<20)
			for i := range hashes {
				hashes[i] = byte(r.Uint32())
			}
			i := 0
			for b.Loop() {
				c.Find(hashes[i : i+HashLen])
				i = (i + 33) % (len(hashes) - HashLen)
			}
		})
	}
}
