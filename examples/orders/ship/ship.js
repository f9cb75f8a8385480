// SPDX-License-Identifier: Apache-2.0
// Ships what was billed: a handler of events. An event may come twice, so that
// what it does is done under the order's id, and only the first time counts.
import { Bucket } from "slight:kv/store@0.1.0";

const text = (bytes) => String.fromCharCode(...bytes);
const bytes = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));

export const handler = {
    handle(resourceName, event) {
        const id = text(event.payload);
        const shipped = Bucket.open("shipped");
        try {
            shipped.setWith(`order/${id}`, bytes(event.id), { condition: { tag: "absent" } });
        } catch (error) {
            // It was shipped before: this event has come again.
            if (error.payload?.code === "already-exists") return;
            throw { tag: "retry", val: error.payload?.message ?? String(error) };
        }
    },
};
