// Drops files, [content in base64, name] each, on the studio's page, as a mouse does.
(files) => {
    const transfer = new DataTransfer();
    for (const [data, name] of files) {
        const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
        transfer.items.add(new File([bytes], name));
    }
    document.getElementById("stage").dispatchEvent(
        new DragEvent("drop", {bubbles: true, cancelable: true, dataTransfer: transfer}));
}
