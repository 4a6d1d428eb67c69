// github.com/r3labs/sse: it comes back by itself with its last id, unless the stream ended in good order.
package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"time"

	"github.com/r3labs/sse/v2"
)

type content struct {
	Node   string `json:"node"`
	Topic  string `json:"topic"`
	Seq    int64  `json:"seq"`
	Reason string `json:"reason"`
	Topics []struct {
		Recovered *bool  `json:"recovered"`
		Reason    string `json:"reason"`
	} `json:"topics"`
}

func handle(event *sse.Event) {
	var data content
	if err := json.Unmarshal(event.Data, &data); err != nil {
		fmt.Printf("ended %v: %q\n", err, event.Data)
		os.Exit(1)
	}
	switch string(event.Event) {
	case "", "message":
		fmt.Println("message", data.Topic, data.Seq, string(event.ID))
	case "gap":
		fmt.Println("gap", data.Reason)
	case "position":
		if data.Node == "" {
			return
		}
		fmt.Println("welcome", data.Node)
		if verdict := data.Topics[0]; verdict.Recovered == nil {
			fmt.Println("subscribed new")
		} else {
			fmt.Println("subscribed", *verdict.Recovered, verdict.Reason)
		}
	}
}

func main() {
	client := sse.NewClient(os.Getenv("HUB_URL") + "/stream?topics=" + url.QueryEscape(os.Getenv("HUB_TOPIC")))
	client.ReconnectNotify = func(err error, _ time.Duration) { fmt.Println("lost", err) }
	for {
		// It returns where the stream ended without an error; its user goes on, and the client still has its last id.
		fmt.Println("lost", client.SubscribeRaw(handle))
		time.Sleep(time.Second)
	}
}
