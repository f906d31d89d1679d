package source

import (
	"context"
	"weak"

	"github.com/coredns/coredns/plugin/file"
	"github.com/coredns/coredns/plugin/file/tree"

	"github.com/autosign-dns/autosign/plugin/zone"
)

// File is a zone of the file plugin.
type File struct {
	zone   *file.Zone
	origin []byte // wire form
}

// NewFile returns the source for a zone of the file plugin with that origin
// (wire form).
func NewFile(z *file.Zone, origin []byte) *File { return &File{z, origin} }

// fileGeneration is a generation of the file plugin: its tree. The plugin makes a
// new tree for every version that it loads and never changes one. The pointer is
// weak so that records the file plugin is done with can be freed; an
// address used again does not make two generations equal.
type fileGeneration = weak.Pointer[tree.Tree]

// Changed implements Source by comparing a pointer.
func (f *File) Changed(since Generation) bool {
	f.zone.RLock()
	defer f.zone.RUnlock()
	if f.zone.SOA == nil {
		return since != nil
	}
	return Generation(weak.Make(f.zone.Tree)) != since
}

// Load implements Source.
func (f *File) Load(ctx context.Context, prev *zone.Zone) (Snapshot, error) {
	panic("soon")
}
