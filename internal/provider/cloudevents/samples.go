package cloudevents

import (
	"github.com/postrider/postrider/internal/provider"
	"github.com/postrider/postrider/internal/vocabulary"
)

// samples returns one event of every type in structured mode.
func samples() []provider.Sample {
	return vocabulary.Samples(types(), func(word, data string) provider.Sample {
		return provider.Sample{
			ContentType: media + "+json; charset=utf-8",
			Body: `{"specversion":"1.0","id":"{{uuid}}","source":"/example/mail","type":"` + word +
				`","time":"{{time}}","subject":"{{uuid2}}","datacontenttype":"application/json","data":{` + data + `}}`,
		}
	})
}
