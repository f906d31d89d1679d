// Package lastgood keeps the last published records of a zone on the local
// disk, unsigned, so that the zone can be signed and served again after a
// restart at which its source is broken or gone.
package lastgood

import (
	"errors"
	"time"

	"github.com/autosign-dns/autosign/plugin/zone"
)

// ErrNone says that no copy of the zone is kept.
var ErrNone = errors.New("no last good copy")

// ErrDamaged says that the copy kept cannot be read. It has been moved aside,
// not deleted; the error's text says where to.
var ErrDamaged = errors.New("last good copy is damaged")

// Copy is a published zone.
type Copy struct {
	Zone      *zone.Zone // as it came from the source
	Serial    uint32     // under which it was published
	Published time.Time
}

// Dir is a directory with copies.
type Dir struct{ path string }

// New returns the directory; it need not exist yet.
func New(path string) Dir { return Dir{path} }

// Save keeps a copy under a name, usually the zone's, in place of the one
// before. When it returns without an error the copy outlives a power failure.
func (d Dir) Save(name string, c Copy) error { panic("soon") }

// Load returns the copy kept under a name.
func (d Dir) Load(name string) (Copy, error) { panic("soon") }
