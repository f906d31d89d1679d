// Package agenda is a list of what is to be done when, earliest first. It
// holds no timer and reads no clock: whoever runs it sleeps until Next and then
// takes what is Due. The whole list can be shown at any moment.
package agenda

import (
	"cmp"
	"container/heap"
	"slices"
	"time"
)

// Item is one thing to be done.
type Item struct {
	When time.Time
	Zone string
	What string // the kind of work; an agenda holds one item of a kind for a zone
}

// compare orders items by time; zone and kind make the order total, so that two
// agendas with the same items are worked off alike.
func (i Item) compare(o Item) int {
	return cmp.Or(i.When.Compare(o.When), cmp.Compare(i.Zone, o.Zone), cmp.Compare(i.What, o.What))
}

// Agenda is a list of items. The zero value is empty and ready. It is not safe
// for use by several goroutines at once.
type Agenda struct {
	queue queue
}

// Set puts an item on the list, in place of the item of this zone and kind.
func (a *Agenda) Set(zone, what string, when time.Time) {
	k := key{zone, what}
	if n, ok := a.queue.at[k]; ok {
		a.queue.items[n].When = when
		heap.Fix(&a.queue, n)
		return
	}
	if a.queue.at == nil {
		a.queue.at = make(map[key]int)
	}
	heap.Push(&a.queue, Item{when, zone, what})
}

// Hasten is Set, unless the item is on the list for an earlier moment already.
func (a *Agenda) Hasten(zone, what string, when time.Time) {
	if n, ok := a.queue.at[key{zone, what}]; ok && !when.Before(a.queue.items[n].When) {
		return
	}
	a.Set(zone, what, when)
}

// Remove takes an item off the list, if it is there.
func (a *Agenda) Remove(zone, what string) {
	if n, ok := a.queue.at[key{zone, what}]; ok {
		heap.Remove(&a.queue, n)
	}
}

// Forget takes all items of a zone off the list.
func (a *Agenda) Forget(zone string) {
	for _, i := range a.Zone(zone) {
		a.Remove(i.Zone, i.What)
	}
}

// Next returns the earliest item; ok is false when there is none.
func (a *Agenda) Next() (i Item, ok bool) {
	if len(a.queue.items) == 0 {
		return Item{}, false
	}
	return a.queue.items[0], true
}

// Due takes the earliest item off the list if its time has come, and returns it.
func (a *Agenda) Due(now time.Time) (i Item, ok bool) {
	if i, ok = a.Next(); !ok || i.When.After(now) {
		return Item{}, false
	}
	heap.Pop(&a.queue)
	return i, true
}

// Len returns the number of items.
func (a *Agenda) Len() int { return len(a.queue.items) }

// All returns the items, earliest first.
func (a *Agenda) All() []Item {
	return slices.SortedFunc(slices.Values(a.queue.items), Item.compare)
}

// Zone returns the items of one zone, earliest first.
func (a *Agenda) Zone(zone string) []Item {
	return slices.DeleteFunc(a.All(), func(i Item) bool { return i.Zone != zone })
}

type key struct{ zone, what string }

// queue is a heap that knows where each item is.
type queue struct {
	items []Item
	at    map[key]int // index in items
}

func (q *queue) Len() int           { return len(q.items) }
func (q *queue) Less(i, j int) bool { return q.items[i].compare(q.items[j]) < 0 }

func (q *queue) Swap(i, j int) {
	q.items[i], q.items[j] = q.items[j], q.items[i]
	q.place(i)
	q.place(j)
}

func (q *queue) Push(x any) {
	q.items = append(q.items, x.(Item))
	q.place(len(q.items) - 1)
}

func (q *queue) Pop() any {
	last := len(q.items) - 1
	i := q.items[last]
	q.items[last] = Item{}
	q.items = q.items[:last]
	delete(q.at, key{i.Zone, i.What})
	return i
}

func (q *queue) place(n int) { q.at[key{q.items[n].Zone, q.items[n].What}] = n }
