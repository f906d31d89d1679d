package verify

import (
	"bytes"
	"slices"
)

// readKeys reads the published and the announced keys.
func (j *judge) readKeys(set *rrset) {
	if set.count > j.o.MaxKeys {
		j.fault(j.origin, typeDNSKEY, "%d keys, more than %d", set.count, j.o.MaxKeys)
		return
	}
	for rdata := range each(set.data) {
		j.addKey(rdata, true)
	}
	for _, rdata := range j.o.Announced {
		j.addKey(rdata, false)
	}
	for _, rdata := range j.o.Beside {
		if k, err := parseKey(rdata); err == nil {
			k.published = true // there
			j.beside = append(j.beside, k)
		}
	}
}

func (j *judge) addKey(rdata []byte, published bool) {
	for _, other := range j.keys {
		if bytes.Equal(other.rdata, rdata) {
			return
		}
	}
	k, err := parseKey(rdata)
	if err != nil {
		j.fault(j.origin, typeDNSKEY, "%v", err)
		return
	}
	for _, other := range j.keys {
		for _, tag := range k.tags() {
			if slices.Contains(other.tags(), tag) {
				j.fault(j.origin, typeDNSKEY, "two keys with the tag %d", tag)
			}
		}
	}
	k.published = published
	j.keys = append(j.keys, k)
	if published && !k.revoked() && !slices.Contains(j.algorithms, k.algorithm) {
		j.algorithms = append(j.algorithms, k.algorithm)
	}
}
