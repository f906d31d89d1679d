package autosign

import (
	"sync"
)

// notifier tells secondaries of new versions. The transfer plugin does it one
// target after the other and waits for each, so it runs beside everything
// else; versions that come while it waits are told of once.
type notifier struct {
	tell func(zone string) error // transfer.Transfer.Notify
	room chan struct{}           // bounds the zones told of at a time

	mu      sync.Mutex
	running map[string]bool // zone -> another version came meanwhile
	done    sync.WaitGroup
}

// maxNotifies is how many zones' secondaries are told at the same time.
const maxNotifies = 16

func newNotifier(tell func(zone string) error) *notifier {
	return &notifier{tell: tell, room: make(chan struct{}, maxNotifies), running: map[string]bool{}}
}

// notify tells the secondaries of a zone, and returns at once.
func (n *notifier) notify(zone string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, on := n.running[zone]; on {
		n.running[zone] = true
		return
	}
	n.running[zone] = false
	n.done.Go(func() { n.run(zone) })
}

func (n *notifier) run(zone string) {
	for again := true; again; {
		n.room <- struct{}{}
		err := n.tell(zone)
		<-n.room
		if err != nil {
			log.Warningf("%s NOTIFY: %v; secondaries find the version at their next refresh", zone, err)
		}
		n.mu.Lock()
		if again = n.running[zone]; again {
			n.running[zone] = false
		} else {
			delete(n.running, zone)
		}
		n.mu.Unlock()
	}
}
