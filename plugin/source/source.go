// Package source reads zones from the plugins that hold them. What it returns
// are copies: nothing of a foreign plugin is kept or changed.
package source

import (
	"context"
	"errors"

	"github.com/autosign-dns/autosign/plugin/zone"
)

// ErrNotLoaded says that the source has no zone yet.
var ErrNotLoaded = errors.New("zone not loaded yet")

// Generation identifies one state of a source. Equal generations are the same
// records; the nil generation is the state of a source never read.
type Generation any

// Snapshot is a zone as it was in one generation of its source.
type Snapshot struct {
	Zone       *zone.Zone
	Warnings   []zone.Warning
	Generation Generation
	Serial     uint32 // of the source's SOA
}

// Source is where the records of one zone come from. Its methods may be called
// by several goroutines at once.
type Source interface {
	// Changed reports whether the source is in another state than since. It is
	// called often and must be cheap.
	Changed(since Generation) bool

	// Load reads the whole zone. Blocks equal to those of prev, which may be nil,
	// are shared with it. With an error the snapshot has no zone, but the
	// generation (and the serial, where there is one) of the state that was
	// refused, so that it is not tried again before it changes. A source
	// without a zone returns ErrNotLoaded and the nil generation.
	Load(ctx context.Context, prev *zone.Zone) (Snapshot, error)
}
