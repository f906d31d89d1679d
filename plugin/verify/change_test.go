package verify

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestChanges_AgreesWithZone: what Zone accepts after an edit, Changes does.
func TestChanges_AgreesWithZone(t *testing.T) {
	for name, set := range denials {
		r := rand.New(rand.NewPCG(3, 4))
		for n := range 25 {
			s := newSigner()
			set(s)
			s.fake = true
			records := dedupe(randomZone(r, n%30))
			was := newView(exampleOrg, s.sign(records))
			for step := range 8 {
				for range 1 + r.IntN(3) {
					records = dedupe(edit(r, records))
				}
				signed := s.sign(records)
				is := newView(exampleOrg, signed)
				u := Update{Old: was, New: is, Changed: slices.Values(changedOwners(was, is))}
				if _, err := Changes(exampleOrg, u, fakes()); err != nil {
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

// spoil makes one record wrong, or takes it away, or adds one, at random.
func spoil(r *rand.Rand, records []Record) []Record {
	records = slices.Clone(records)
	i := r.IntN(len(records))
	x := records[i]
	switch r.IntN(5) {
	case 0:
		return slices.Delete(records, i, i+1)
	case 1:
		x.TTL += uint32(1 + r.IntN(3))
	case 2:
		x.Owner = lowered(randomName(r))
	default:
		x.RData = slices.Clone(x.RData)
		x.RData[r.IntN(len(x.RData))] ^= 1 << r.IntN(8)
	}
	records[i] = x
	sortRecords(records)
	return records
}

// TestChanges_RefusesWhatZoneRefuses: a step to a version with a fault in it.
func TestChanges_RefusesWhatZoneRefuses(t *testing.T) {
	for name, set := range denials {
		r := rand.New(rand.NewPCG(5, 6))
		refused, whole := 0, 0
		for n := range 250 {
			s := newSigner()
			set(s)
			s.fake = true
			records := dedupe(randomZone(r, n%20))
			was := newView(exampleOrg, s.sign(records))
			signed := spoil(r, s.sign(dedupe(edit(r, records))))
			is := newView(exampleOrg, signed)
			u := Update{Old: was, New: is, Changed: slices.Values(changedOwners(was, is))}
			_, wholeErr := Zone(exampleOrg, slices.Values(signed), fakes())
			_, err := Changes(exampleOrg, u, fakes())
			switch {
			case errors.Is(err, ErrWhole):
				whole++
			case (wholeErr == nil) != (err == nil):
				t.Fatalf("%s, zone %d: Zone says %v, Changes %v\nold:\n%s\nnew:\n%s", name, n, wholeErr, err, viewText(was), viewText(is))
			case err != nil:
				refused++
			}
		}
		if refused < 150 || whole > 60 {
			t.Errorf("%s: %d refused, %d left to Zone", name, refused, whole)
		}
	}
}
