package autosign

import (
	"slices"
	"sync"
	"time"

	"github.com/coredns/coredns/plugin"
)

// process is all that autosign runs in this process: one instance for every
// Corefile that is loaded. While CoreDNS reloads there are two.
var process struct {
	mu        sync.Mutex
	instances []*instance // in the order in which they started

	loading any      // the Corefile that is being read: CoreDNS's context for it
	named   []string // the zones that its server blocks have signed
}

// announce notes what a server block of a Corefile has signed, before any block
// of it starts.
func announce(id any, zones []string) {
	process.mu.Lock()
	defer process.mu.Unlock()
	if process.loading != id {
		process.loading, process.named = id, nil
	}
	process.named = append(process.named, zones...)
}

// hasParent reports whether the Corefile that is being read has a zone above
// this one signed. The lock of process is held.
func hasParent(id any, zone string) bool {
	return process.loading != id || slices.ContainsFunc(process.named, func(n string) bool {
		return n != zone && plugin.Name(n).Matches(zone)
	})
}

// instance is the zones of one loaded Corefile.
type instance struct {
	id       any // CoreDNS's own context, which is one for each loaded Corefile
	loop     *loop
	kin      *kin // nil until somebody asked for it
	signers  map[identity]*signer
	backends map[string]*backend // by directory
	blocks   int                 // server blocks that are running
	placed   []placed            // in the DS registry
}

// placed is a zone with where it can be asked for.
type placed struct {
	signer *signer
	scopes []scope
}

// place makes a zone known to the DS registry.
func (i *instance) place(s *signer, scopes []scope) {
	i.placed = append(i.placed, placed{s, scopes})
	parents.add(s, scopes)
}

// identity tells zones apart: a view may show another zone of the same name.
type identity struct{ zone, view string }

// enter returns the instance of a Corefile and counts a server block in. The
// lock of process is held.
func enter(id any) *instance {
	at := slices.IndexFunc(process.instances, func(i *instance) bool { return i.id == id })
	if at < 0 {
		process.instances = append(process.instances, &instance{
			id: id, loop: newLoop(), signers: map[identity]*signer{}, backends: map[string]*backend{},
		})
		at = len(process.instances) - 1
	}
	process.instances[at].blocks++
	return process.instances[at]
}

// leave counts a server block out; with the last one its zones stop.
func leave(id any) {
	process.mu.Lock()
	at := slices.IndexFunc(process.instances, func(i *instance) bool { return i.id == id })
	var ended *instance
	if at >= 0 {
		if process.instances[at].blocks--; process.instances[at].blocks == 0 {
			ended = process.instances[at]
			process.instances = slices.Delete(process.instances, at, at+1)
		}
	}
	process.mu.Unlock()
	if ended != nil {
		ended.stop()
	}
}

// abandon stops every instance that started after this one: a reload failed,
// and CoreDNS does not tell those that it leaves behind. They had taken the
// places of this one's zones in the DS registry.
func abandon(id any) {
	process.mu.Lock()
	var left []*instance
	var back []placed
	if at := slices.IndexFunc(process.instances, func(i *instance) bool { return i.id == id }); at >= 0 {
		left = slices.Clone(process.instances[at+1:])
		back = slices.Clone(process.instances[at].placed)
		process.instances = slices.Delete(process.instances, at+1, len(process.instances))
	}
	process.mu.Unlock()
	for _, i := range left {
		i.stop()
	}
	for _, p := range back {
		parents.add(p.signer, p.scopes)
	}
}

// stop ends the zones' work and takes them out of the DS registry.
func (i *instance) stop() {
	i.loop.stop()
	for _, s := range i.signers {
		parents.remove(s)
		s.retire()
	}
}

// predecessor returns the signer of the same zone in an older instance, whose
// signed copy a new one goes on with. The lock of process is held.
func predecessor(of *instance, id identity) *signer {
	for _, i := range slices.Backward(process.instances) {
		if i != of && i.signers[id] != nil {
			return i.signers[id]
		}
	}
	return nil
}

// running reports whether a zone is served by any instance.
func running(id identity) bool {
	process.mu.Lock()
	defer process.mu.Unlock()
	return slices.ContainsFunc(process.instances, func(i *instance) bool { return i.signers[id] != nil })
}

// everyZoneReady reports whether every zone of the process has a signed copy
// that validators accept.
func everyZoneReady(now time.Time) bool {
	process.mu.Lock()
	defer process.mu.Unlock()
	for _, i := range process.instances {
		for _, s := range i.signers {
			if !s.ready(now) {
				return false
			}
		}
	}
	return true
}
