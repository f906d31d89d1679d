package agenda

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at is a moment some minutes after start.
func at(minutes int) time.Time { return start.Add(time.Duration(minutes) * time.Minute) }

func TestAgenda_ListsEarliestFirst(t *testing.T) {
	var a Agenda
	if _, ok := a.Next(); ok || a.Len() != 0 || a.All() != nil {
		t.Error("the zero value is not empty")
	}
	a.Set("b.", "sign", at(3))
	a.Set("a.", "sign", at(3))
	a.Set("a.", "poll", at(3))
	a.Set("c.", "sign", at(1))
	a.Set("c.", "poll", at(9))
	a.Set("c.", "poll", at(2)) // in place of the one before
	want := []Item{{at(1), "c.", "sign"}, {at(2), "c.", "poll"}, {at(3), "a.", "poll"}, {at(3), "a.", "sign"}, {at(3), "b.", "sign"}}
	if got := a.All(); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := a.Zone("c."); !slices.Equal(got, want[:2]) {
		t.Errorf("got %v, want %v", got, want[:2])
	}
	if next, ok := a.Next(); !ok || next != want[0] || a.Len() != len(want) {
		t.Errorf("next is %v of %d", next, a.Len())
	}
}

func TestDue_WaitsForItsTime(t *testing.T) {
	var a Agenda
	a.Set("a.", "sign", at(2))
	a.Set("b.", "sign", at(1))
	for _, c := range []struct {
		now  int
		want string
	}{{0, ""}, {1, "b."}, {1, ""}, {5, "a."}, {99, ""}} {
		i, ok := a.Due(at(c.now))
		if i.Zone != c.want || ok != (c.want != "") {
			t.Errorf("at minute %d: got %v, want %q", c.now, i, c.want)
		}
	}
}

func TestHasten_OnlyBringsForward(t *testing.T) {
	var a Agenda
	for _, c := range []struct{ to, want int }{{5, 5}, {7, 5}, {5, 5}, {3, 3}, {9, 3}} {
		a.Hasten("a.", "sign", at(c.to))
		if next, _ := a.Next(); !next.When.Equal(at(c.want)) || a.Len() != 1 {
			t.Errorf("hastened to minute %d: %v", c.to, next)
		}
	}
}

func TestForget_TakesOneZone(t *testing.T) {
	var a Agenda
	for n := range 10 {
		a.Set("a.", fmt.Sprint(n), at(n))
		a.Set("b.", fmt.Sprint(n), at(n))
	}
	a.Forget("a.")
	a.Forget("c.")
	a.Remove("b.", "3")
	a.Remove("b.", "33")
	if a.Len() != 9 || len(a.Zone("a.")) != 0 || len(a.Zone("b.")) != 9 {
		t.Errorf("left: %v", a.All())
	}
}

// Random work, beside a plain list that is sorted whenever something is asked.
func TestAgenda_AgreesWithASortedList(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var a Agenda
	list := map[[2]string]Item{}
	for range 4000 {
		zone, what, when := fmt.Sprint(r.IntN(20)), fmt.Sprint(r.IntN(3)), at(r.IntN(50))
		k := [2]string{zone, what}
		switch r.IntN(5) {
		case 0, 1:
			a.Set(zone, what, when)
			list[k] = Item{when, zone, what}
		case 2:
			a.Hasten(zone, what, when)
			if old, ok := list[k]; !ok || when.Before(old.When) {
				list[k] = Item{when, zone, what}
			}
		case 3:
			a.Remove(zone, what)
			delete(list, k)
		case 4:
			if i, ok := a.Due(when); ok {
				if list[[2]string{i.Zone, i.What}] != i || i.When.After(when) {
					t.Fatalf("%v was due at %s", i, when)
				}
				delete(list, [2]string{i.Zone, i.What})
			}
		}
		var want []Item
		for _, i := range list {
			want = append(want, i)
		}
		slices.SortFunc(want, Item.compare)
		if next, ok := a.Next(); ok != (len(want) > 0) || ok && next != want[0] || !slices.Equal(a.All(), want) {
			t.Fatalf("got %v, want %v", a.All(), want)
		}
	}
}

func BenchmarkSetAndDue10kZones(b *testing.B) {
	var a Agenda
	for n := range 10_000 {
		a.Set(fmt.Sprintf("zone%d.example.", n), "sign", at(n))
	}
	b.ReportAllocs()
	for n := 10_000; b.Loop(); n++ {
		i, _ := a.Due(at(n))
		a.Set(i.Zone, i.What, at(n))
	}
}
