// SPDX-License-Identifier: Apache-2.0
// Ships what was billed: a handler of events. An event may come twice, and at two
// places at once: one courier at a time has an order, by a lock; and what is
// done is done under the order's id, so that only the first time counts.
import { Service } from "slight:lockd/locks@0.1.0";
import { Bucket } from "slight:kv/store@0.1.0";

const text = (bytes) => String.fromCharCode(...bytes);
const bytes = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));

export const handler = {
    handle(resourceName, event) {
        const id = text(event.payload);
        try {
            // Given back when this instance ends, or is killed and the time is over.
            const courier = Service.open("couriers").acquire(id, {
                ttlMs: 2000,
                waitMs: 5000,
                keepAlive: true,
            });
            Bucket.open("shipped").setWith(
                `order/${id}`,
                bytes(`courier ${courier.fencingToken()}`),
                { condition: { tag: "absent" } },
            );
        } catch (error) {
            // It was shipped before: this event has come again.
            if (error.payload?.code === "already-exists") return;
            throw { tag: "retry", val: error.payload?.message ?? String(error) };
        }
    },
};
