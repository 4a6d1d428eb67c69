// github.com/zishang520/socket.io: a port of the JavaScript client, with its recovery of connections.
package main

import (
	"fmt"
	"os"
	"sync"

	"github.com/zishang520/socket.io/clients/socket/v3"
)

var (
	mutex  sync.Mutex
	cursor string
)

func keep(position any) {
	mutex.Lock()
	defer mutex.Unlock()
	cursor, _ = position.(string)
}

func subscribe(client *socket.Socket) {
	if client.Recovered() {
		return
	}
	request := map[string]any{"topics": []string{os.Getenv("HUB_TOPIC")}}
	mutex.Lock()
	if cursor != "" {
		request["since"] = cursor
	}
	mutex.Unlock()
	subscribed := func(answer []any, err error) {
		if err != nil {
			fmt.Println("refused", err)
			return
		}
		ack := answer[0].(map[string]any)
		if ack["ok"] != true {
			fmt.Println("refused", ack["error"].(map[string]any)["code"])
			return
		}
		mutex.Lock()
		if cursor == "" {
			cursor = ack["cursor"].(string)
		}
		mutex.Unlock()
		verdict := ack["topics"].([]any)[0].(map[string]any)
		if recovered, told := verdict["recovered"]; told {
			fmt.Println("subscribed", recovered, verdict["reason"])
		} else {
			fmt.Println("subscribed new")
		}
	}
	if err := client.Emit("subscribe", request, subscribed); err != nil {
		fmt.Println("refused", err)
	}
}

func main() {
	client, err := socket.Connect(os.Getenv("HUB_URL"), nil)
	if err != nil {
		fmt.Println("ended", err)
		return
	}
	client.On("connect", func(...any) { subscribe(client) })
	client.On("message", func(event ...any) {
		message := event[0].(map[string]any)
		keep(event[1])
		fmt.Printf("message %v %.0f %v\n", message["topic"], message["seq"], event[1])
	})
	client.On("position", func(event ...any) { keep(event[0]) })
	client.On("welcome", func(event ...any) { fmt.Println("welcome", event[0].(map[string]any)["node"]) })
	client.On("gap", func(event ...any) { fmt.Println("gap", event[0].(map[string]any)["reason"]) })
	client.On("disconnect", func(event ...any) { fmt.Println("lost", event[0]) })
	client.On("connect_error", func(event ...any) {
		fmt.Println("lost", event[0])
		if !client.Active() {
			fmt.Println("ended", event[0])
		}
	})
	select {}
}
