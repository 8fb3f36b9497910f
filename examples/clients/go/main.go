// A request and its reply with franz-go: go run . "The train leaves at nine."
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	prefix := env("CARTEIRO_TOPIC_PREFIX", "llm")
	id := fmt.Sprintf("%d-%d", time.Now().UnixNano(), os.Getpid())
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(env("CARTEIRO_BOOTSTRAP_SERVERS", "localhost:9092"), ",")...),
		kgo.ConsumeTopics(prefix+".summarize.replies"),
		// From a little before now: the reply comes later, whatever the clocks say.
		kgo.ConsumeResetOffset(kgo.NewOffset().AfterMilli(time.Now().Add(-time.Minute).UnixMilli())),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()

	value, err := json.Marshal(map[string]string{"text": os.Args[1]})
	if err != nil {
		log.Fatal(err)
	}
	request := &kgo.Record{
		Topic: prefix + ".summarize.requests",
		Value: value,
		Headers: []kgo.RecordHeader{
			{Key: "correlation_id", Value: []byte(id)},
			{Key: "timeout_ms", Value: []byte("60000")},
		},
	}
	if err := client.ProduceSync(ctx, request).FirstErr(); err != nil {
		log.Fatal(err)
	}

	for {
		fetched := client.PollFetches(ctx)
		if ctx.Err() != nil {
			log.Fatal("no reply within a minute")
		}
		for _, record := range fetched.Records() {
			for _, header := range record.Headers {
				if header.Key == "correlation_id" && string(header.Value) == id {
					fmt.Println(string(record.Value))
					return
				}
			}
		}
	}
}
