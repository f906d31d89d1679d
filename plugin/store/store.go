// Package store is the port to whatever keeps small versioned documents: one a
// zone, changed only by compare-and-swap. Back ends are memory and directory.
package store

import (
	"context"
	"errors"
)

// Revision names one version of a document. It is opaque: equal revisions of a
// name mean equal contents since. "" is the revision of what does not exist.
type Revision string

var (
	// ErrNotExist says that there is no document of that name.
	ErrNotExist = errors.New("document does not exist")
	// ErrConflict says that the document is no longer (or not yet) of the
	// revision that the caller holds: load it again and decide again.
	ErrConflict = errors.New("document was changed by another")
)

// Store keeps documents. Names are made by Name or are like its results.
//
// Implementers owe: every method may be called concurrently, also from several
// processes; a nil error from Swap and Delete means that the change is durable;
// Load sees whole documents only, and everything that was stored before it
// began; errors name the document and, where there is one, the file.
//
// Callers must tolerate: an error other than ErrConflict and ErrNotExist tells
// nothing about whether the change was made; Load tells. A Swap that is tried
// again after such an error may therefore find ErrConflict against its own work.
type Store interface {
	// Load returns the document and its revision, or ErrNotExist.
	Load(ctx context.Context, name string) ([]byte, Revision, error)

	// Swap replaces the document if it is still of revision old, and returns
	// the new revision. With old "" it creates the document. Otherwise
	// ErrConflict.
	Swap(ctx context.Context, name string, old Revision, data []byte) (Revision, error)

	// List returns the names that begin with prefix, sorted.
	List(ctx context.Context, prefix string) ([]string, error)

	// Delete removes the document if it is still of revision old; ErrConflict
	// if it is of another one, ErrNotExist if it is not there.
	Delete(ctx context.Context, name string, old Revision) error
}
