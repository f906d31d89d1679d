package autosign

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/store"
)

// countedStore and countedKeys count what is asked of them.
type countedStore struct {
	store.Store
	loads, swaps *atomic.Int64
}

func (s countedStore) Load(ctx context.Context, name string) ([]byte, store.Revision, error) {
	s.loads.Add(1)
	return s.Store.Load(ctx, name)
}

func (s countedStore) Swap(ctx context.Context, name string, old store.Revision, data []byte) (store.Revision, error) {
	s.swaps.Add(1)
	return s.Store.Swap(ctx, name, old, data)
}

type countedKeys struct {
	keystore.Keystore
	lists *atomic.Int64
}

func (k countedKeys) List(ctx context.Context, zone string) ([]keystore.Entry, error) {
	k.lists.Add(1)
	return k.Keystore.List(ctx, zone)
}

// A zone at rest makes little work. It is counted here, not timed: the benchmark
// has what ten thousand zones take.
func TestIdle_AZoneAtRestDoesLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlace(t)
		var loads, swaps, lists atomic.Int64
		p.store, p.keys = countedStore{p.store, &loads, &swaps}, countedKeys{p.keys, &lists}
		o := observe(t, p, 1)
		defer o.stop()
		o.run(20*day, nil)
		loads.Store(0)
		swaps.Store(0)
		lists.Store(0)
		began := len(o.parent.looks)
		const days = 20
		o.run(days*day, nil)
		for _, c := range []struct {
			what      string
			n, perDay int64
		}{
			{"loads of the state", loads.Load(), 20}, {"changes of the state", swaps.Load(), 10},
			{"lists of the keys", lists.Load(), 10}, {"looks at the parent", int64(len(o.parent.looks) - began), 10},
		} {
			if c.n == 0 || c.n > c.perDay*days {
				t.Errorf("%d %s in %d days, not 1 to %d", c.n, c.what, days, c.perDay*days)
			}
		}
	})
}
