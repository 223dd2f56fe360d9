package standardwebhooks

import (
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/vocabulary"
)

// samples returns one event of every type.
func samples() []provider.Sample {
	return vocabulary.Samples(types(), func(word, data string) provider.Sample {
		return provider.Sample{
			Body: `{"type":"` + word + `","timestamp":"{{time}}","data":{` + data + `,"batch_id":"{{uuid}}"}}`,
		}
	})
}
