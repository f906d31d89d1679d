package verify

import (
	"bytes"
	"iter"
	"slices"
)

// mapView is a version of a zone as a list of records.
type mapView struct {
	origin []byte
	owners map[string][]Record
	names  [][]byte // canonical order, without owners of NSEC3
	chain  [][]byte // owners of NSEC or NSEC3 records, canonical order
}

func newView(origin []byte, records []Record) *mapView {
	v := &mapView{origin: origin, owners: map[string][]Record{}}
	hashed := map[string]bool{}
	for _, r := range records {
		name := string(lowered(r.Owner))
		if r.Type == typeNSEC || r.Type == typeNSEC3 {
			v.chain = append(v.chain, []byte(name))
			hashed[name] = r.Type == typeNSEC3
		}
		v.owners[name] = append(v.owners[name], r)
	}
	for name := range v.owners {
		if !hashed[name] {
			v.names = append(v.names, []byte(name))
		}
	}
	slices.SortFunc(v.names, compare)
	slices.SortFunc(v.chain, compare)
	return v
}

func (v *mapView) Owner(owner []byte) iter.Seq[Record] { return slices.Values(v.owners[string(owner)]) }

func (v *mapView) After(owner []byte) []byte {
	i, found := slices.BinarySearchFunc(v.names, owner, compare)
	if found {
		i++
	}
	if i == len(v.names) {
		return nil
	}
	return v.names[i]
}

func (v *mapView) Before(owner []byte) []byte {
	i, _ := slices.BinarySearchFunc(v.chain, owner, compare)
	if i == 0 {
		i = len(v.chain)
	}
	if i == 0 {
		return nil
	}
	return v.chain[i-1]
}

// changedOwners returns the owners whose records differ.
func changedOwners(a, b *mapView) [][]byte {
	equal := func(x, y Record) bool {
		return x.Type == y.Type && x.TTL == y.TTL && bytes.Equal(x.RData, y.RData)
	}
	var list [][]byte
	for name, records := range b.owners {
		if !slices.EqualFunc(records, a.owners[name], equal) {
			list = append(list, []byte(name))
		}
	}
	for name := range a.owners {
		if b.owners[name] == nil {
			list = append(list, []byte(name))
		}
	}
	slices.SortFunc(list, compare)
	return list
}
