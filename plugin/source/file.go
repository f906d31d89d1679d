package source

import (
	"context"
	"weak"

	"github.com/coredns/coredns/plugin/file"
	"github.com/coredns/coredns/plugin/file/tree"
	"github.com/miekg/dns"

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

// snapshot returns the apex and the tree of one generation.
func (f *File) snapshot() (file.Apex, *tree.Tree) {
	f.zone.RLock()
	defer f.zone.RUnlock()
	return f.zone.Apex, f.zone.Tree
}

// Changed implements Source by comparing a pointer.
func (f *File) Changed(since Generation) bool {
	apex, t := f.snapshot()
	if apex.SOA == nil {
		return since != nil
	}
	return since != Generation(weak.Make(t))
}

// Load implements Source.
func (f *File) Load(ctx context.Context, prev *zone.Zone) (Snapshot, error) {
	apex, t := f.snapshot()
	if apex.SOA == nil || t == nil {
		return Snapshot{}, ErrNotLoaded
	}
	// The generation of a file plugin's zone is its tree. The plugin makes a new
	// tree for every version that it loads and never changes one in use. The
	// pointer is weak, so that records which the file plugin is done with can be
	// freed; that an address is used again does not make two generations equal.
	s := Snapshot{Generation: weak.Make(t), Serial: apex.SOA.Serial}
	b := zone.NewBuilder(f.origin)
	b.Grow(t.Count * 5 / 2)
	p := packer{to: b}
	// SOA and NS of the apex are beside the tree, and so are their RRSIGs, which
	// would be left out anyway. What the tree holds comes in canonical order.
	p.pack(append([]dns.RR{apex.SOA}, apex.NS...))
	names := 0
	err := t.Walk(func(_ *tree.Elem, types map[uint16][]dns.RR) error {
		if names++; names%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		p.name(types)
		return nil
	})
	p.flush()
	if err == nil {
		err = p.err()
	}
	if err != nil {
		return s, err
	}
	s.Zone, s.Warnings, err = b.Build(prev)
	return s, err
}
