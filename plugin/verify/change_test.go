package verify

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestChanges_AgreesWithZone: what Zone accepts after an edit, Changes does.
func TestChanges_AgreesWithZone(t *testing.T) {
	for name, set := range denials {
		r := rand.New(rand.NewPCG(3, 4))
		for n := range 60 {
			s := newSigner()
			set(s)
			records := dedupe(randomZone(r, n%30))
			was := newView(exampleOrg, s.sign(records))
			for step := range 8 {
				for range 1 + r.IntN(3) {
					records = dedupe(edit(r, records))
				}
				signed := s.sign(records)
				is := newView(exampleOrg, signed)
				u := Update{Old: was, New: is, Changed: slices.Values(changedOwners(was, is))}
				if _, err := Changes(exampleOrg, u, at()); err != nil {
					t.Fatalf("%s, zone %d, step %d: %v\nold:\n%s\nnew:\n%s", name, n, step, err, viewText(was), viewText(is))
				}
				was = is
			}
		}
	}
}

func viewText(v *mapView) string {
	var all []Record
	for _, list := range v.owners {
		all = append(all, list...)
	}
	sortRecords(all)
	return zoneText(all)
}
