// Package autosign is a CoreDNS plugin that signs the zones of the file plugin,
// answers from the signed copies, and rolls the keys in step with what caches and
// the parent hold. A Controller tells Go programs where that is, and takes orders.
package autosign

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"time"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/file"
	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/coredns/coredns/plugin/transfer"

	"github.com/autosign-dns/autosign/plugin/corefile"
	"github.com/autosign-dns/autosign/plugin/keystore/software"
	"github.com/autosign-dns/autosign/plugin/lastgood"
	"github.com/autosign-dns/autosign/plugin/parent"
	"github.com/autosign-dns/autosign/plugin/source"
	"github.com/autosign-dns/autosign/plugin/store/directory"
)

const name = "autosign"

var log = clog.NewWithPlugin(name)

func init() { plugin.Register(name, setup) }

// setup reads the lines of a server block. The handlers of the block do not
// exist yet: what is served by the file plugin is found at start-up.
func setup(c *caddy.Controller) error {
	options, warnings, err := corefile.Parse(c)
	if err != nil {
		return plugin.Error(name, err)
	}
	for _, w := range warnings {
		log.Warning(w)
	}
	a := &Autosign{}
	for _, o := range options {
		a.names = append(a.names, o.Zones...)
	}
	config := dnsserver.GetConfig(c)
	config.AddPlugin(func(next plugin.Handler) plugin.Handler {
		a.Next = next
		return a
	})
	id := c.Context()
	announce(id, a.names)
	c.OnStartup(func() error {
		if err := start(id, a, options, config, c.ServerBlockKeys); err != nil {
			return plugin.Error(name, err)
		}
		return nil
	})
	c.OnShutdown(func() error {
		leave(id)
		return nil
	})
	c.OnRestartFailed(func() error {
		abandon(id)
		return nil
	})
	return nil
}

// start binds a server block's lines to its other plugins and starts signing.
// When that fails the whole Corefile does, and what its other blocks started
// is stopped.
func start(id any, a *Autosign, options []corefile.Options, config *dnsserver.Config, keys []string) error {
	process.mu.Lock()
	inst := enter(id)
	err := a.bind(inst, options, config)
	if err == nil {
		scopes := scopesOf(keys, config)
		for _, s := range a.signers {
			inst.place(s, scopes)
		}
	} else {
		process.instances = slices.DeleteFunc(process.instances, func(i *instance) bool { return i == inst })
	}
	process.mu.Unlock()
	if err != nil {
		inst.stop()
		return err
	}
	inst.loop.start()
	return nil
}

// bind finds the zones of a server block in the file plugin and joins them to
// the instance. All faults are reported at once. The lock of process is held.
func (a *Autosign) bind(inst *instance, options []corefile.Options, config *dnsserver.Config) error {
	served, _ := fileOf(config)
	var tell *notifier
	if t, ok := config.Handler("transfer").(*transfer.Transfer); ok {
		tell = newNotifier(t.Notify)
	}
	var faults []error
	for _, o := range options {
		fault := func(err error) { faults = append(faults, fmt.Errorf("%s:%d - %w", o.File, o.Line, err)) }
		if err := checkNeighbours(config.Handlers(), o.Zones, o.Policy.Allow); err != nil {
			fault(err)
		}
		dir := directoryOf(o, config)
		if err := checkDirectory(dir); err != nil {
			fault(err)
			continue
		}
		back := inst.open(dir)
		for _, origin := range o.Zones {
			z := served.Z[origin]
			if z == nil {
				fault(fmt.Errorf("zone %s is not served by the file plugin in this server block: "+
					"add `file DATABASE %s`, or name the zones to sign", origin, origin))
				continue
			}
			if served.Fall.Through(origin) {
				log.Warningf("%s:%d - %s: fallthrough of the file plugin has no effect for a signed zone: "+
					"what is not in it is proven not to be there", o.File, o.Line, origin)
			}
			if o.Policy.ParentLocal && !hasParent(inst.id, origin) {
				fault(fmt.Errorf("zone %s has parent local, and no zone above it is signed by this server", origin))
			}
			s, err := inst.join(origin, config.ViewName, o, back, z)
			if err != nil {
				fault(err)
				continue
			}
			if tell != nil {
				s.notifyBy(tell)
			}
			a.zones.add(s.origin, s)
			a.signers = append(a.signers, s)
		}
	}
	a.leaveChildren(served.Names)
	return errors.Join(faults...)
}

// fileOf returns the file plugin of a server block.
func fileOf(config *dnsserver.Config) (file.File, bool) {
	switch f := config.Handler("file").(type) {
	case file.File:
		return f, true
	case *file.File:
		return *f, true
	}
	return file.File{}, false
}

// leaveChildren marks the zones below ours that the file plugin serves unsigned:
// questions inside them are its own to answer.
func (a *Autosign) leaveChildren(served []string) {
	for _, n := range served {
		wire, ok := appendWire(nil, n)
		if !ok {
			continue
		}
		origin := appendFolded(nil, wire)
		if _, ours := a.zones.zones[string(origin)]; !ours && a.zones.find(origin) != nil {
			a.zones.add(origin, nil)
		}
	}
}

// directoryOf returns where the keys and the state of a line's zones are.
func directoryOf(o corefile.Options, config *dnsserver.Config) string {
	dir := o.Keys
	if !filepath.IsAbs(dir) && config.Root != "" {
		dir = filepath.Join(config.Root, dir)
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return dir
}

// checkDirectory reports that a directory for keys is something else, or is not
// there and cannot be made. It is made when something is first kept in it.
func checkDirectory(dir string) error {
	for path := dir; ; path = filepath.Dir(path) {
		switch info, err := os.Stat(path); {
		case err == nil && !info.IsDir():
			return fmt.Errorf("keys %s: %s is not a directory", dir, path)
		case errors.Is(err, fs.ErrPermission):
			return fmt.Errorf("keys %s: %w", dir, err)
		case err == nil && path != dir:
			probe, err := os.MkdirTemp(path, ".autosign-")
			if err == nil {
				err = os.Remove(probe)
			}
			if err != nil {
				return fmt.Errorf("keys %s: it is not there and cannot be made: %w", dir, err)
			}
			return nil
		case err == nil, path == filepath.Dir(path):
			return nil
		}
	}
}

// modified returns when a configuration was changed last: the latest of the files
// that it stands in. What is no file was made for this start.
func modified(files []string) (at time.Time) {
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			return time.Now().Round(0).UTC()
		}
		if t := info.ModTime().Round(0).UTC(); t.After(at) {
			at = t
		}
	}
	return at
}

// backend is everything that is kept in one directory.
type backend struct {
	dir    string
	store  *directory.Store
	keys   *software.Store
	copies lastgood.Dir
	fresh  bool // nothing was in the store when it was opened
}

// open returns the back end in a directory; there is one for each.
func (i *instance) open(dir string) *backend {
	if b := i.backends[dir]; b != nil {
		return b
	}
	b := &backend{dir: dir, store: directory.New(dir), keys: software.New(dir), copies: lastgood.New(dir)}
	ctx, cancel := context.WithTimeout(context.Background(), parentDeadline)
	defer cancel()
	names, err := b.store.List(ctx, "")
	b.fresh = err == nil && len(names) == 0
	i.backends[dir] = b
	return b
}

// clockAfter returns the clock of a signer that follows another: the same, with
// what it knows of jumps.
func clockAfter(old *signer) *clock {
	if old != nil {
		return old.clock
	}
	return newClock(time.Now)
}

// join returns the signer of a zone: a new one, or the one of another server
// block that has the same zone from the same file. The lock of process is held.
func (i *instance) join(origin, view string, o corefile.Options, b *backend, z *file.Zone) (*signer, error) {
	id := identity{origin, view}
	path := z.File()
	if s := i.signers[id]; s != nil {
		switch {
		case s.path != path:
			return nil, fmt.Errorf("zone %s is signed twice, from %s and from %s: "+
				"without a view a zone has one signed copy", origin, s.path, path)
		case s.dir != b.dir:
			return nil, fmt.Errorf("zone %s is signed twice, with keys in %s and in %s", origin, s.dir, b.dir)
		case !reflect.DeepEqual(s.policy, o.Policy):
			return nil, fmt.Errorf("zone %s is signed twice, with different properties: "+
				"a Corefile snippet with `import` keeps them alike", origin)
		}
		return s, nil
	}
	wire, ok := appendWire(nil, origin)
	if !ok {
		return nil, fmt.Errorf("zone %s: not a domain name", origin)
	}
	s := &signer{
		zone:       origin,
		origin:     appendFolded(nil, wire),
		view:       view,
		policy:     o.Policy,
		asOf:       modified(o.Files),
		effective:  o.Policy,
		dir:        b.dir,
		path:       path,
		docs:       newDocuments(b.store, origin, view),
		box:        keyBox{store: b.keys, zone: origin},
		copies:     b.copies,
		parent:     parent.Observer{Agents: o.Policy.ParentAgents},
		freshStore: b.fresh,
		clock:      clockAfter(predecessor(i, id)),
		crew:       hands,
	}
	s.attend(i, parent.Observer{Agents: o.Policy.ParentAgents})
	s.source = source.NewFile(z, s.origin)
	if old := predecessor(i, id); old != nil {
		s.takeOver(old)
		if old.dir != s.dir {
			log.Warningf("%s: keys and state are now in %s, before in %s: what is served stays until the state there "+
				"is a copy of the other, with its keys; new ones are made only by a restart of the server", s.label(), s.dir, old.dir)
		}
	}
	i.signers[id] = s
	i.loop.add(s)
	return s, nil
}
