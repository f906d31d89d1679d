package zone

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// dsOf is the RDATA of DS number n, and its text.
func dsOf(n int) (rdata []byte, text string) {
	return append([]byte{0, byte(n), 13, 2}, bytes.Repeat([]byte{byte(n)}, 32)...),
		fmt.Sprintf("%d 13 2 %s", n, strings.Repeat(fmt.Sprintf("%02x", n), 32))
}

// parentText is a zone of many kinds of names, with the DS sets given by owner.
func parentText(ds map[string][]int) string {
	var out strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&out, "host%d 300 A 192.0.2.1\n", i)
		if i%10 == 0 {
			fmt.Fprintf(&out, "child%d 300 NS ns.child%d\nns.child%d 300 A 192.0.2.2\n", i, i, i)
		}
	}
	// DS stands between lower and higher types.
	out.WriteString("mixed 300 NS ns.example.net.\nmixed 300 A 192.0.2.7\nmixed 300 TYPE65400 \\# 1 00\n")
	for _, owner := range slices.Sorted(maps.Keys(ds)) {
		for _, n := range ds[owner] {
			_, text := dsOf(n)
			fmt.Fprintf(&out, "%s 600 DS %s\n", owner, text)
		}
	}
	return out.String()
}

func dsSet(t testing.TB, z *Zone, owner string, list []int) DSSet {
	t.Helper()
	key, ok := z.Key(nil, wire(t, owner+".example.org."))
	if !ok {
		t.Fatal(owner)
	}
	s := DSSet{Key: key, TTL: 600}
	for _, n := range list {
		rd, _ := dsOf(n)
		s.RData = append(s.RData, rd)
	}
	return s
}

// A zone to which DS sets were added is the zone that was loaded with them.
func TestWithDS_IsTheZoneBuiltWithThem(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 8))
	have := map[string][]int{"child10": {1}, "child20": {1, 2}}
	z := mustBuild(t, parentText(have), nil)
	for step := range 25 {
		var sets []DSSet
		for _, i := range r.Perm(300)[:r.IntN(8)] {
			owner := fmt.Sprintf("child%d", i*10)
			if r.IntN(4) == 0 {
				owner = "mixed"
			}
			if slices.ContainsFunc(sets, func(s DSSet) bool { return bytes.Equal(s.Key, dsSet(t, z, owner, nil).Key) }) {
				continue
			}
			var list []int
			for n := range r.IntN(4) {
				list = append(list, 1+(n*7+r.IntN(3))%9)
			}
			if r.IntN(3) > 0 {
				list = append(list, list...) // duplicates go
			}
			sets = append(sets, dsSet(t, z, owner, list))
			delete(have, owner)
			if slices.Sort(list); len(list) > 0 {
				have[owner] = slices.Compact(list)
			}
		}
		next, err := z.WithDS(sets)
		if err != nil {
			t.Fatal(err)
		}
		want := mustBuild(t, parentText(have), nil)
		if len(next.blocks) != len(want.blocks) {
			t.Fatalf("step %d: %d blocks, want %d", step, len(next.blocks), len(want.blocks))
		}
		for n, b := range want.blocks {
			if !next.blocks[n].equal(b) {
				t.Fatalf("step %d: block %d differs\n%s\n%s", step, n, dump(next), dump(want))
			}
		}
		if got, is := next.Stats(), want.Stats(); got != is {
			t.Fatalf("step %d: %+v, want %+v", step, got, is)
		}
		for c := range Diff(z, next) {
			if !slices.ContainsFunc(sets, func(s DSSet) bool { return bytes.Equal(s.Key, c.Key) }) {
				t.Fatalf("step %d: %q changed", step, c.Key)
			}
		}
		z = next
	}
}

func TestWithDS_BlocksThatStayAreShared(t *testing.T) {
	z := mustBuild(t, parentText(map[string][]int{"child10": {1}}), nil)
	next, err := z.WithDS([]DSSet{dsSet(t, z, "child500", []int{3})})
	if err != nil {
		t.Fatal(err)
	}
	differ := 0
	for n := range z.blocks {
		if z.blocks[n] != next.blocks[n] {
			differ++
		}
	}
	if differ != 1 {
		t.Errorf("%d of %d blocks were made anew, want 1", differ, len(z.blocks))
	}
	for name, sets := range map[string][]DSSet{
		"nothing": nil, "the same": {dsSet(t, z, "child10", []int{1})}, "none where none is": {dsSet(t, z, "child20", nil)},
	} {
		if same, err := z.WithDS(sets); err != nil || same != z {
			t.Errorf("%s: another zone, %v", name, err)
		}
	}
}

func TestWithDS_OnlyAtDelegations(t *testing.T) {
	z := mustBuild(t, parentText(nil), nil)
	tests := []struct{ owner, want string }{
		{"host1", "host1.example.org. DS: no delegation of this zone"},
		{"nothere", "nothere.example.org. DS: no delegation of this zone"},
		{"ns.child10", "ns.child10.example.org. DS: no delegation of this zone"}, // below one
	}
	for _, tc := range tests {
		next, err := z.WithDS([]DSSet{dsSet(t, z, "child10", []int{1}), dsSet(t, z, tc.owner, []int{1})})
		if err == nil || err.Error() != tc.want || next != nil {
			t.Errorf("%s: %v, want %q", tc.owner, err, tc.want)
		}
	}
	if _, err := z.WithDS([]DSSet{{RData: [][]byte{{1}}}}); err == nil || err.Error() != "example.org. DS: no delegation of this zone" {
		t.Errorf("at the apex: %v", err)
	}
	twice := []DSSet{dsSet(t, z, "child10", []int{1}), dsSet(t, z, "child10", []int{2})}
	if _, err := z.WithDS(twice); err == nil || err.Error() != "child10.example.org. DS: given twice" {
		t.Errorf("twice: %v", err)
	}
}
