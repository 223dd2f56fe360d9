package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/postrider/postrider/internal/broker"
)

// collector reads a run's journal and topics into a ledger, each time from where
// it stopped.
type collector struct {
	ledger  *ledger
	client  *broker.Client
	cluster *cluster
	journal *journal
	prefix  string
	read    int64            // bytes of the journal
	next    map[string]int64 // offsets by topic/partition
	mu      sync.Mutex       // guards ledger and next while partitions are read side by side
}

// newCollector makes a collector that has read nothing.
func newCollector(g *generator, client *broker.Client, c *cluster, j *journal, prefix string) *collector {
	return &collector{ledger: newLedger(g), client: client, cluster: c, journal: j, prefix: prefix, next: make(map[string]int64)}
}

// readersAtOnce bounds the partitions read side by side.
const readersAtOnce = 4

// collect reads what is new. Nothing may be sending.
func (c *collector) collect(ctx context.Context) error {
	if err := c.readJournal(); err != nil {
		return err
	}
	topics, err := c.cluster.topics(ctx, c.prefix)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readersAtOnce)
	for _, t := range topics {
		name, _ := suffix(t.Name, c.prefix)
		if name == "seen" { // the receivers' own notes
			continue
		}
		ends, err := c.client.Offsets(ctx, t.Name)
		if err != nil {
			return fmt.Errorf("chaos: %w", err)
		}
		for p, end := range ends {
			group.Go(func() error { return c.readPartition(ctx, t.Name, name, p, end) })
		}
	}
	return group.Wait() //nolint:wrapcheck // wrapped by readPartition
}

// readJournal reads the lines that were added. The writer's lock keeps the last
// one whole.
func (c *collector) readJournal() error {
	c.journal.mu.Lock()
	defer c.journal.mu.Unlock()
	f, err := os.Open(c.journal.file.Name())
	if err != nil {
		return fmt.Errorf("chaos: journal: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("chaos: journal: %w", err)
	}
	part := io.NewSectionReader(f, c.read, info.Size()-c.read)
	c.read = info.Size()
	return readJournal(part, c.ledger)
}

// readPartition reads one partition up to its end. An offset that is not there
// any more is an error: what is gone cannot be counted.
func (c *collector) readPartition(ctx context.Context, topic, name string, partition int, log broker.OffsetRange) error {
	key := fmt.Sprintf("%s/%d", topic, partition)
	c.mu.Lock()
	from := c.next[key]
	c.mu.Unlock()
	if from >= log.Next {
		return nil
	}
	err := c.client.Read(ctx, topic, partition, from, log.Next, func(msg broker.Message) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ledger.sight(name, &msg)
		return nil
	})
	if err != nil {
		return fmt.Errorf("chaos: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next[key] = log.Next
	return nil
}
