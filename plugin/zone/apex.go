package zone

import (
	"slices"
)

// ApexSet is an RRset to stand at the apex.
type ApexSet struct {
	Type  uint16
	TTL   uint32   // seconds
	RData [][]byte // in canonical order; none: the set is removed
}

// WithApex returns the zone with the given RRsets at the apex in place of those
// of the same types. All blocks but the first are shared.
func (z *Zone) WithApex(sets []ApexSet) *Zone {
	old := z.blocks[0]
	apex := &Block{}
	for j := range old.sets {
		s := old.Set(j)
		if !slices.ContainsFunc(sets, func(n ApexSet) bool { return n.Type == s.Type }) {
			var rds [][]byte
			for rd := range s.RData {
				rds = append(rds, rd)
			}
			sets = append(sets[:len(sets):len(sets)], ApexSet{s.Type, s.TTL, rds})
		}
	}
	sets = slices.Clone(sets)
	slices.SortFunc(sets, func(a, b ApexSet) int { return int(a.Type) - int(b.Type) })
	next := *z
	for _, s := range sets {
		if len(s.RData) == 0 {
			continue
		}
		for _, rd := range s.RData {
			apex.data = append(append(apex.data, byte(len(rd)>>8), byte(len(rd))), rd...)
		}
		apex.sets = append(apex.sets, set{s.Type, uint16(len(s.RData)), s.TTL, uint32(len(apex.data))})
		next.stats.Records += len(s.RData)
		next.stats.MaxTTL = max(next.stats.MaxTTL, s.TTL)
	}
	for j := range old.sets {
		next.stats.Records -= int(old.sets[j].count)
	}
	next.stats.Sets += len(apex.sets) - len(old.sets)
	apex.names = []name{{sets: uint32(len(apex.sets)), flags: old.names[0].flags}}
	apex.index()
	next.blocks = slices.Clone(z.blocks)
	next.blocks[0] = apex
	return &next
}
