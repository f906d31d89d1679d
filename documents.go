package autosign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/autosign-dns/autosign/plugin/state"
	"github.com/autosign-dns/autosign/plugin/store"
)

// documents is one zone's document in a store.
type documents struct {
	store store.Store
	zone  string
	name  string // of the document

	known *atomic.Pointer[store.Revision] // of the document, when it was last read or written here; nil: not yet
}

// errUnchanged says that there is nothing to store.
var errUnchanged = errors.New("nothing to store")

// errStore says that the state document cannot be read or stored.
var errStore = errors.New("state")

// maxSwaps is how often a change is tried again when others were faster.
const maxSwaps = 20

// stateKind is what the names of state documents end with.
const stateKind = "state.json"

// newDocuments returns the document of a zone; every view has its own.
func newDocuments(st store.Store, zone, view string) documents {
	kind := stateKind
	if view != "" {
		kind = "view-" + store.Name(view, kind)
	}
	return documents{st, zone, store.Name(zone, kind), new(atomic.Pointer[store.Revision])}
}

// load returns the document, or an empty one for a zone without history.
func (d documents) load(ctx context.Context) (*state.Document, error) {
	doc, _, err := d.read(ctx)
	return doc, err
}

func (d documents) read(ctx context.Context) (*state.Document, store.Revision, error) {
	data, rev, err := d.store.Load(ctx, d.name)
	if err == nil {
		d.known.Store(&rev)
	}
	if errors.Is(err, store.ErrNotExist) {
		return state.New(d.zone), "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", errStore, err)
	}
	doc, err := state.Decode(data, d.zone)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %s: %w", errStore, d.name, err)
	}
	return doc, rev, nil
}

// news reports whether another has changed the document since it was last read
// or written here. What cannot be read is no news.
func (d documents) news(ctx context.Context) bool {
	known := d.known.Load()
	_, rev, err := d.store.Load(ctx, d.name)
	return err == nil && known != nil && *known != rev && known == d.known.Load()
}

// change loads the document, lets f edit it and stores it; when another stored
// it meanwhile, all of it again. With errUnchanged from f nothing is stored and
// all is well. An error may also mean that the change was stored and we were
// not told: f must do no harm when it meets its own work.
func (d documents) change(ctx context.Context, f func(*state.Document) error) (*state.Document, error) {
	for range maxSwaps {
		doc, rev, err := d.read(ctx)
		if err != nil {
			return nil, err
		}
		if err := f(doc); errors.Is(err, errUnchanged) {
			return doc, nil
		} else if err != nil {
			return nil, err
		}
		data, err := doc.Encode()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errStore, err)
		}
		if rev, err = d.store.Swap(ctx, d.name, rev, data); err == nil {
			d.known.Store(&rev)
			return doc, nil
		} else if !errors.Is(err, store.ErrConflict) {
			return nil, fmt.Errorf("%w: %w", errStore, err)
		}
	}
	return nil, fmt.Errorf("%w: %s: changed by others %d times in a row: %w", errStore, d.name, maxSwaps, store.ErrConflict)
}

// others returns the other documents of the zone: those of its other views, which
// have the key store and the parent in common with it.
func (d documents) others(ctx context.Context) (list []otherView, err error) {
	names, err := d.store.List(ctx, store.Name(d.zone, ""))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStore, err)
	}
	for _, name := range names {
		if name == d.name || !strings.HasSuffix(name, stateKind) {
			continue
		}
		other := documents{d.store, d.zone, name, new(atomic.Pointer[store.Revision])}
		doc, _, err := other.read(ctx)
		if errors.Is(err, state.ErrOtherZone) {
			continue
		}
		if err != nil {
			return nil, err
		}
		list = append(list, otherView{name, doc})
	}
	return list, nil
}

// namedByOthers reports whether another document of the zone names a key.
func (d documents) namedByOthers(ctx context.Context, id string) (bool, error) {
	list, err := d.others(ctx)
	return slices.ContainsFunc(list, func(o otherView) bool { return o.doc.Names(id) }), err
}
