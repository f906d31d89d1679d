package zone

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// DSSet is a DS set to stand at a delegation.
type DSSet struct {
	Key   []byte   // of the delegation, relative to the origin
	TTL   uint32   // seconds
	RData [][]byte // in any order; none: the set is removed
}

// WithDS returns the zone with the given DS sets at its delegations, in place of
// those that are there: what a parent does whose children are signed by the same
// server. Blocks in which nothing changes are shared; a zone in which nothing at
// all changes is z itself. The error names a set whose owner is no delegation.
func (z *Zone) WithDS(sets []DSSet) (*Zone, error) {
	var faults []error
	changed := map[int][]placedDS{}
	for _, s := range sets {
		at, err := z.delegation(s.Key)
		if slices.ContainsFunc(changed[at.Block], func(p placedDS) bool { return p.name == at.Name }) && err == nil {
			err = fmt.Errorf("%s DS: given twice", Text(z.AppendName(nil, at)))
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		s.RData = slices.Clone(s.RData)
		slices.SortFunc(s.RData, bytes.Compare)
		s.RData = slices.CompactFunc(s.RData, bytes.Equal)
		changed[at.Block] = append(changed[at.Block], placedDS{at.Name, s})
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	next := *z
	next.blocks = slices.Clone(z.blocks)
	same := true
	for n, list := range changed {
		if b := z.blocks[n].withDS(list, &next.stats); !b.equal(z.blocks[n]) {
			next.blocks[n] = b
			same = false
		}
	}
	if same {
		return z, nil
	}
	return &next, nil
}

// placedDS is a DS set with the number that its owner has in a block.
type placedDS struct {
	name int
	set  DSSet
}

// delegation returns where the delegation with this key is.
func (z *Zone) delegation(key []byte) (Pos, error) {
	at, exact := z.Find(key)
	if !exact || z.At(at).Flags(at.Name)&Cut == 0 {
		return at, fmt.Errorf("%s DS: no delegation of this zone", Text(AppendWire(nil, key, z.origin)))
	}
	return at, nil
}

// withDS returns the block with other DS sets, and keeps count.
func (b *Block) withDS(list []placedDS, stats *Stats) *Block {
	next := &Block{keys: b.keys, names: slices.Clone(b.names), shared: b.shared, heads: b.heads,
		sets: make([]set, 0, len(b.sets)+len(list)), data: make([]byte, 0, len(b.data)+len(list)*64)}
	for i := range b.names {
		from, to := b.Sets(i)
		if n := slices.IndexFunc(list, func(p placedDS) bool { return p.name == i }); n >= 0 {
			next.addDS(b, i, list[n].set)
			stats.MaxTTL = max(stats.MaxTTL, list[n].set.TTL)
		} else {
			for j := from; j < to; j++ {
				next.addSet(b.Set(j))
			}
		}
		next.names[i].sets = uint32(len(next.sets))
	}
	stats.Sets += len(next.sets) - len(b.sets)
	stats.Records += next.records() - b.records()
	return next
}

// addDS adds the sets of name i of b, its DS set replaced.
func (b *Block) addDS(old *Block, i int, ds DSSet) {
	b.names[i].flags &^= Secure
	add := func() {
		if len(ds.RData) == 0 {
			return
		}
		b.names[i].flags |= Secure
		for _, rd := range ds.RData {
			b.data = append(append(b.data, byte(len(rd)>>8), byte(len(rd))), rd...)
		}
		b.sets = append(b.sets, set{TypeDS, uint16(len(ds.RData)), ds.TTL, uint32(len(b.data))})
	}
	from, to := old.Sets(i)
	added := false
	for j := from; j < to; j++ {
		s := old.Set(j)
		if !added && s.Type >= TypeDS {
			add()
			added = true
		}
		if s.Type != TypeDS {
			b.addSet(s)
		}
	}
	if !added {
		add()
	}
}

// addSet adds a set of the name at hand.
func (b *Block) addSet(s Set) {
	b.data = append(b.data, s.Data...)
	b.sets = append(b.sets, set{s.Type, uint16(s.Count), s.TTL, uint32(len(b.data))})
}

// records returns the number of records in the block.
func (b *Block) records() (n int) {
	for _, s := range b.sets {
		n += int(s.count)
	}
	return n
}
